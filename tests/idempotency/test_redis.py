"""The store in Redis: what it keeps, and what happens if the server fails or is not set up for it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from support.certificates import self_signed
from support.commands import assert_one_line_of_error, run_command
from support.gateway import TOKEN, Gateway, GatewayProcess, gateway_process, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer
from support.keys import create, new_key, serving
from support.redis import DURABLE, RedisServer, redis_server
from support.servers import free_port
from support.waiting import LIMIT

from gateway.idempotency import Record, State, StoreRefused, StoreUnavailable, check_store, unfinished
from gateway.idempotency.redis_store import RedisStore

CREATED = json_answer(201, {"id": "1", "inviter": "as sent"})
CLAIM = Record(b"fingerprint", b"owner", claimed=100.0, lease_ends=100.0 + LIMIT, expires=100.0 + 1000)
OTHER = msgspec.structs.replace(CLAIM, owner=b"another")
ENDED = msgspec.structs.replace(CLAIM, lease_ends=99.0)
"""A claim whose lease has ended when it is made."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def opened(server: RedisServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url)
    try:
        yield store
    finally:
        await store.aclose()


def with_store(server: RedisServer, work: Callable[[RedisStore, bytes], Awaitable[None]]) -> None:
    async def run() -> None:
        async with opened(server) as store:
            await work(store, new_key().encode())

    asyncio.run(run())


def told(record: Record | None) -> tuple[bytes, bytes, State, str | None] | None:
    """Return the record without its times, which are the server's."""
    return (record.fingerprint, record.owner, record.state, record.invitation_id) if record else None


@pytest.mark.parametrize(("state", "id"), [(State.DONE, "1"), (State.DONE, None), (State.UNKNOWN, None)])
def test_it_returns_what_became_of_a_claim(server: RedisServer, state: State, id: str | None) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        assert await store.claim(name, CLAIM) is None
        assert told(await store.claim(name, OTHER)) == (b"fingerprint", b"owner", State.RUNNING, None)
        await store.finish(name, b"another", State.DONE, "2")
        await store.finish(name, b"another", None)
        await store.finish(name, b"owner", state, id)
        await store.finish(name, b"owner", State.DONE, "2")
        await store.finish(name, b"owner", None)
        assert told(await store.claim(name, OTHER)) == (b"fingerprint", b"owner", state, id)

    with_store(server, work)


def test_it_frees_a_claim_for_its_owner(server: RedisServer) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        await store.claim(name, CLAIM)
        await store.finish(name, b"owner", None)
        assert await store.claim(name, OTHER) is None

    with_store(server, work)


def test_a_claim_that_is_repeated_because_its_reply_was_lost_is_granted(server: RedisServer) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        for _ in range(2):
            assert await store.claim(name, CLAIM) is None

    with_store(server, work)


def test_a_claim_whose_lease_has_ended_stays_unknown(server: RedisServer) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        await store.claim(name, ENDED)
        assert told(await store.claim(name, OTHER)) == (b"fingerprint", b"owner", State.UNKNOWN, None)
        await store.finish(name, b"owner", State.DONE, "1")
        assert told(await store.claim(name, OTHER)) == (b"fingerprint", b"owner", State.UNKNOWN, None)

    with_store(server, work)


def test_the_server_removes_a_record_that_expires(server: RedisServer) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        short = msgspec.structs.replace(CLAIM, expires=100.1)
        await store.claim(name, short)
        async with asyncio.timeout(LIMIT):
            while await store.claim(name, OTHER) is not None:  # noqa: ASYNC110  (Redis has no event to await)
                await asyncio.sleep(0.02)

    with_store(server, work)


def test_of_a_hundred_claims_at_once_one_is_granted(server: RedisServer) -> None:
    async def work(store: RedisStore, name: bytes) -> None:
        claims = [msgspec.structs.replace(CLAIM, owner=b"%d" % number) for number in range(100)]
        found = await asyncio.gather(*(store.claim(name, claim) for claim in claims))
        assert found.count(None) == 1

    with_store(server, work)


def test_it_has_no_key_no_text_and_no_token(server: RedisServer, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    key = new_key()

    async def everything() -> str:
        async with Redis.from_url(server.url) as client:
            found: Any = [(name, await client.hgetall(name)) async for name in client.scan_iter()]
            return repr(found)

    with running_gateway(upstream.url, idempotency_store=server.url) as gateway:
        gateway.data(*create(key, inviter="urn:li:person:Jane-Doe", trackingId="of the caller"))
    stored = asyncio.run(everything())
    assert "invitations-gateway:key:" in stored
    for secret in (key, "Jane-Doe", "of the caller", TOKEN.removeprefix("Bearer ")):
        assert secret not in stored


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_server_that_could_evict_keys_is_refused(policy: str, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    with redis_server("--maxmemory-policy", policy) as server:
        with pytest.raises(StoreRefused, match=policy):
            asyncio.run(check_store(server.url))
        result = run_command("serve", "--port", "0", variables={"GATEWAY_IDEMPOTENCY_STORE": server.url})
        assert_one_line_of_error(result, "GATEWAY_IDEMPOTENCY_STORE", policy, "noeviction")
        with running_gateway(upstream.url, idempotency_store=server.url) as gateway:
            unavailable(gateway, new_key())
    assert upstream.calls == []


@pytest.mark.parametrize(("appendonly", "warned"), [("no", True), ("yes", False)])
def test_a_server_that_forgets_keys_when_it_ends_is_warned_of(
    upstream: InvitationsUpstream, appendonly: str, warned: bool
) -> None:
    with redis_server("--appendonly", appendonly) as server, serving_with(server.url, upstream.url) as gateway:
        assert ("Warning: GATEWAY_IDEMPOTENCY_STORE: if the server ends" in gateway.log()) is warned


def unavailable(gateway: Gateway, key: str) -> None:
    extensions = gateway.error(*create(key))["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("IDEMPOTENCY_STORE_UNAVAILABLE", "NOT_APPLIED")


@contextmanager
def serving_with(url: str, upstream: str, **settings: str) -> Iterator[GatewayProcess]:
    with gateway_process("serve", UPSTREAM_URL=f"{upstream}/v1.0", IDEMPOTENCY_STORE=url, **settings) as gateway:
        yield gateway


def test_while_the_server_is_down_nothing_is_sent_and_after_a_restart_it_remembers(
    upstream: InvitationsUpstream,
) -> None:
    upstream.expect(serving(CREATED))
    done, later = new_key(), new_key()
    with redis_server() as server, serving_with(server.url, upstream.url) as gateway:
        gateway.data(*create(done))
        server.kill()
        unavailable(gateway, later)
        assert len(upstream.calls) == 1
        server.start()
        gateway.data(*create(later))
        gateway.data(*create(done))
    assert [call.method for call in upstream.calls] == ["POST", "POST", "GET"]


def test_a_gateway_starts_while_the_server_is_down_and_says_so(upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    with redis_server() as server:
        server.kill()
        with serving_with(server.url, upstream.url) as gateway:
            assert "Warning: GATEWAY_IDEMPOTENCY_STORE: Redis ConnectionError" in gateway.log()
            unavailable(gateway, new_key())
            server.start()
            gateway.data(*create(new_key()))
    assert len(upstream.calls) == 1


def test_if_the_server_dies_after_the_send_the_result_is_true(
    upstream: InvitationsUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "FIRST_PAUSE", LIMIT)
    with redis_server() as server, running_gateway(upstream.url, idempotency_store=server.url) as gateway:

        def killing(_: Request) -> bytes:
            server.kill()
            return CREATED

        upstream.expect(killing)
        key = new_key()
        gateway.data(*create(key))
        server.start()
        assert gateway.error(*create(key))["extensions"]["code"] == "IDEMPOTENCY_IN_PROGRESS"
    assert len(upstream.calls) == 1


def test_a_server_that_does_not_answer_is_unavailable(upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    with redis_server() as server, running_gateway(upstream.url, idempotency_store=server.url) as gateway:
        gateway.data(*create(new_key()))
        with server.paused():
            unavailable(gateway, new_key())
    assert len(upstream.calls) == 1


def test_a_password_is_used_and_never_shown(upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    with redis_server(*DURABLE, "--requirepass", "5ecret") as server:
        right, wrong = (server.url.replace("//", f"//:{word}@") for word in ("5ecret", "wrong-5ecret"))
        with serving_with(right, upstream.url) as gateway:  # its log may not have the password, either
            gateway.data(*create(new_key()))
        with serving_with(wrong, upstream.url) as gateway:
            unavailable(gateway, new_key())
        with pytest.raises(StoreUnavailable) as raised:
            asyncio.run(check_store(wrong))
        assert "5ecret" not in str(raised.value)
    assert len(upstream.calls) == 1


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.idempotency.redis_store", None)
    with pytest.raises(StoreRefused, match=r"pip install 'invitations-gateway\[redis\]'"):
        asyncio.run(check_store("redis://127.0.0.1"))


def test_tls_connections_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, certificate = self_signed(tmp_path, "IP:127.0.0.1")
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate.with_name("key.pem")))
    port = free_port()
    with redis_server("--tls-port", str(port), *files, "--tls-auth-clients", "no"):
        url = f"rediss://127.0.0.1:{port}/0"
        with pytest.raises(StoreUnavailable):
            asyncio.run(check_store(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        asyncio.run(check_store(url))
