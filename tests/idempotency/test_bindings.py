"""The key of a list is bound to it, until nothing of it was applied."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.batches import CREATE_ALL_ONCE, codes, inputs, outcomes, results_of
from support.gateway import OWN, Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer
from support.keys import gateway_with_file, new_key
from support.redis import redis_server
from support.scripted_upstream import UpstreamConnection, answer

from gateway.errors import ErrorCode, GatewayError
from gateway.idempotency import MemoryStore, Once, SqliteStore, Store
from gateway.idempotency.redis_store import RedisStore

NAME, LIST, OTHER_LIST = b"name", b"list", b"other list"
HOUR = 3600.0


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    if request.param == "memory":
        yield MemoryStore
    elif request.param == "sqlite":
        yield lambda: SqliteStore(tmp_path / "keys.db")
    else:
        with redis_server() as server:
            yield lambda: RedisStore(server.url)


def with_two(make_store: Callable[[], Store], work: Callable[[Once, Once], Awaitable[None]]) -> None:
    """Run work with two processes that share a store. The clock of the second is an hour behind."""

    async def run() -> None:
        store = make_store()
        await work(Once(store, longest=10.0, clock=lambda: 1e6), Once(store, longest=10.0, clock=lambda: 1e6 - HOUR))
        await store.aclose()

    asyncio.run(run())


async def is_bound(once: Once) -> bool:
    """Return whether the name cannot be used for another list."""
    try:
        await once.bind(NAME, OTHER_LIST)
    except GatewayError as error:
        return error.code is ErrorCode.IDEMPOTENCY_KEY_REUSED
    return False


def test_a_binding_is_removed_by_the_call_that_has_made_it(make_store: Callable[[], Store]) -> None:
    async def work(first: Once, second: Once) -> None:
        owner = await first.bind(NAME, LIST)
        assert owner is not None
        await first.unbind(NAME, owner)
        assert not await is_bound(second)

    with_two(make_store, work)


def test_a_binding_that_another_call_has_found_is_kept(make_store: Callable[[], Store]) -> None:
    async def work(first: Once, second: Once) -> None:
        owner = await first.bind(NAME, LIST)
        assert owner is not None
        assert await second.bind(NAME, LIST) is None
        await first.unbind(NAME, owner)
        assert await is_bound(second)
        assert await first.bind(NAME, LIST) is None

    with_two(make_store, work)


def test_a_binding_of_a_later_call_is_kept(make_store: Callable[[], Store]) -> None:
    async def work(first: Once, second: Once) -> None:
        owner = await first.bind(NAME, LIST)
        assert owner is not None
        await first.unbind(NAME, owner)
        assert await second.bind(NAME, LIST) is not None
        await first.unbind(NAME, owner)
        assert await is_bound(first)

    with_two(make_store, work)


def call(gateway: Gateway, key: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return results_of(gateway.data(CREATE_ALL_ONCE, {"key": key, "inputs": given}, authorization=OWN))


def created(request: Request) -> bytes:
    return json_answer(201, {"id": request.json["trackingId"], **request.json})


@pytest.mark.parametrize(
    "reply",
    [json_answer(400, {}), json_answer(401, {}), answer(429, b"", b"Retry-After: 600")],
    ids=["400", "401", "429"],
)
def test_a_list_that_was_not_applied_can_be_corrected_and_sent_with_the_same_key(
    gateway: Gateway, upstream: InvitationsUpstream, reply: bytes
) -> None:
    key = new_key()
    upstream.expect(always(reply))
    assert outcomes(call(gateway, key, inputs(15))) == ["NOT_APPLIED"] * 15
    gateway.as_another_user()
    upstream.expect(created)
    assert codes(call(gateway, key, inputs(5, inviter="corrected"))) == ["created"] * 5
    assert {it.json["inviter"] for it in upstream.calls} == {"corrected"}


@pytest.mark.parametrize("reply", [created, always(UpstreamConnection.reset)], ids=["created", "lost"])
def test_a_list_of_which_something_may_have_been_applied_cannot_be_changed(
    gateway: Gateway, upstream: InvitationsUpstream, reply: Callable[[Request], Any]
) -> None:
    key = new_key()
    upstream.expect(lambda it: reply(it) if it.json["trackingId"] == "3" else json_answer(400, {}))
    call(gateway, key, inputs(5))
    error = gateway.error(CREATE_ALL_ONCE, {"key": key, "inputs": inputs(5, inviter="corrected")})
    assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_lists_with_an_invalid_token_leave_nothing_in_the_store(upstream: InvitationsUpstream, tmp_path: Path) -> None:
    upstream.expect(always(json_answer(401, {})))
    file = tmp_path / "keys.db"
    with gateway_with_file(upstream.url, file) as gateway:
        for _ in range(3):
            assert codes(call(gateway, new_key(), inputs(2))) == ["UNAUTHENTICATED"] * 2
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT count(*) FROM keys").fetchone() == (0,)


def test_a_list_of_which_an_item_could_not_be_claimed_cannot_be_changed(upstream: InvitationsUpstream) -> None:
    key = new_key()
    with redis_server() as server, running_gateway(upstream.url, idempotency_store=server.url) as gateway:

        def killing(_: Request) -> bytes:
            server.kill()
            return json_answer(400, {})

        upstream.expect(killing)
        assert "IDEMPOTENCY_STORE_UNAVAILABLE" in codes(call(gateway, key, inputs(50)))
        server.start()
        error = gateway.error(CREATE_ALL_ONCE, {"key": key, "inputs": inputs(5, inviter="corrected")})
        assert error["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
