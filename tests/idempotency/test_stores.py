"""Both stores do the same, and the file keeps nothing longer than it must, and nothing confidential."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
from support.gateway import TOKEN
from support.invitations_upstream import InvitationsUpstream, json_answer
from support.keys import create, gateway_with_file, new_key, serving

from gateway.idempotency import Key, MemoryStore, Record, SqliteStore, State, Store, StoreUnavailable, sqlite_file
from gateway.idempotency import sqlite as sqlite_module

pytestmark = pytest.mark.quick

KINDS = ["memory", "sqlite"]
CLAIM = Record(b"fingerprint", b"owner", claimed=100.0, lease_ends=140.0, expires=1000.0)


@asynccontextmanager
async def opened(kind: str, path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if kind == "memory" else SqliteStore(path / "keys.db")
    try:
        yield store
    finally:
        await store.aclose()


def with_store(kind: str, path: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(kind, path) as store:
            await work(store)

    asyncio.run(run())


def later(seconds: float) -> Record:
    """Return the claim of another request."""
    times = {name: getattr(CLAIM, name) + seconds for name in ("claimed", "lease_ends", "expires")}
    return msgspec.structs.replace(CLAIM, owner=b"another", **times)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("state", "id"), [(State.DONE, "1"), (State.DONE, None), (State.UNKNOWN, None)])
def test_a_store_returns_what_became_of_a_claim(kind: str, tmp_path: Path, state: State, id: str | None) -> None:
    async def work(store: Store) -> None:
        assert await store.claim(b"name", CLAIM) is None
        assert await store.claim(b"name", later(1)) == CLAIM
        await store.finish(b"name", b"another", state, "2")
        assert await store.claim(b"name", later(1)) == CLAIM
        await store.finish(b"name", b"owner", state, id)
        ended = msgspec.structs.replace(CLAIM, state=state, invitation_id=id)
        assert await store.claim(b"name", later(50)) == ended
        await store.finish(b"name", b"owner", State.DONE, "2")
        await store.finish(b"name", b"owner", None)
        assert await store.claim(b"name", later(899)) == ended
        assert await store.claim(b"name", later(900)) is None

    with_store(kind, tmp_path, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_frees_a_claim_for_its_owner_only(kind: str, tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.claim(b"name", CLAIM)
        await store.finish(b"name", b"another", None)
        assert await store.claim(b"name", later(1)) == CLAIM
        await store.finish(b"name", b"owner", None)
        assert await store.claim(b"name", later(1)) is None

    with_store(kind, tmp_path, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_claim_whose_lease_has_ended_stays_unknown(kind: str, tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.claim(b"name", CLAIM)
        assert await store.claim(b"name", later(39)) == CLAIM
        unknown = msgspec.structs.replace(CLAIM, state=State.UNKNOWN)
        assert await store.claim(b"name", later(40)) == unknown
        await store.finish(b"name", b"owner", State.DONE, "1")
        assert await store.claim(b"name", later(0)) == unknown

    with_store(kind, tmp_path, work)


def test_claims_remove_expired_records_in_small_steps(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"

    def count() -> int:
        with closing(sqlite3.connect(file)) as connection:
            return int(connection.execute("SELECT count(*) FROM keys").fetchone()[0])

    async def run() -> None:
        store = SqliteStore(file)
        await asyncio.gather(*(store.claim(b"%d" % number, CLAIM) for number in range(100)))
        assert count() == 100
        await store.claim(b"later", later(900))
        assert count() == 81
        for number in range(4):
            await store.claim(b"later %d" % number, later(900))
        assert count() == 5
        await store.aclose()

    asyncio.run(run())


def test_a_hundred_claims_at_once_are_one_at_a_time_for_each_name(tmp_path: Path) -> None:
    async def run() -> None:
        stores = [SqliteStore(tmp_path / "keys.db") for _ in range(2)]
        await stores[0].check()
        found = await asyncio.gather(*(store.claim(b"%d" % number, CLAIM) for number in range(50) for store in stores))
        assert sum(it is None for it in found) == 50
        for store in stores:
            await store.aclose()

    asyncio.run(run())


def test_a_file_that_was_replaced_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "SETTLE", 0.0)

    def remove() -> None:
        for part in tmp_path.iterdir():
            part.unlink()

    async def run() -> None:
        one, other = (SqliteStore(tmp_path / "keys.db") for _ in range(2))
        await one.claim(b"name", CLAIM)
        remove()
        assert await other.claim(b"name", CLAIM) is None
        with pytest.raises(StoreUnavailable):
            await one.claim(b"name", later(1))
        assert await one.claim(b"name", later(1)) == CLAIM
        await one.aclose()
        await other.aclose()

    asyncio.run(run())


def test_a_claim_that_is_given_up_is_freed_once_the_disk_responds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys.db"

    async def run() -> None:
        store = SqliteStore(file)
        await store.check()
        with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            monkeypatch.setattr(sqlite_module, "LIMIT", 0.0)
            with pytest.raises(StoreUnavailable):
                await store.claim(b"name", CLAIM)
            monkeypatch.undo()
            other.execute("ROLLBACK")
        assert await store.claim(b"name", later(1)) is None
        await store.aclose()

    asyncio.run(run())


def test_the_file_has_no_key_no_text_and_no_token(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    upstream.expect(serving(json_answer(201, {"id": "id-of-the-api", "inviter": "s"})))
    key = new_key()
    with gateway_with_file(upstream.url, tmp_path / "keys.db") as gateway:
        message = {"invitationMessage": {"body": "Jane-Doe, join us"}}
        gateway.data(*create(key, inviter="urn:li:person:Jane-Doe", message=message, trackingId="of the caller"))
        stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        readable = [file for file in tmp_path.iterdir() if file.stat().st_mode & 0o077]
    assert b"id-of-the-api" in stored
    for secret in (key, "Jane-Doe", "of the caller", TOKEN.removeprefix("Bearer ")):
        assert secret.encode() not in stored
    assert readable == []


def test_a_fingerprint_depends_on_the_key_the_mutation_and_the_input() -> None:
    one, other = Key(b"x" * 16), Key(b"y" * 16)
    assert one.fingerprint("a", b"b") == Key(b"x" * 16).fingerprint("a", b"b")
    made = [one.fingerprint("a", b"b"), other.fingerprint("a", b"b"), one.fingerprint("c", b"b"), one.name, other.name]
    assert len({*made, one.fingerprint("a", b"d")}) == 6
