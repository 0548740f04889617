"""Claims that could not be ended when they should, because the store failed, are ended in the background."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import redis
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer
from support.keys import create, new_key
from support.redis import redis_server
from support.waiting import LIMIT, wait_until

from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.idempotency import KeyedCall, MemoryStore, Once, Record, State, StoreUnavailable, unfinished

CREATED = json_answer(201, {"id": "1", "inviter": "as sent"})
READ = json_answer(200, {"id": "1", "inviter": "as read"})


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE", "LAST_PAUSE", "CONFIRM_AFTER"):
        monkeypatch.setattr(unfinished, name, 0.01)


class FailingStore(MemoryStore):
    """A store whose methods fail, and do their work all the same if they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = True
        self.late: list[Callable[[], Awaitable[Any]]] = []
        self.claims_arrive = True
        self.ends: list[tuple[bytes, State | None]] = []

    async def claim(self, name: bytes, record: Record) -> Record | None:
        if not self.failing:
            return await super().claim(name, record)
        if self.claims_arrive:
            await super().claim(name, record)
        else:
            self.late.append(lambda: MemoryStore.claim(self, name, record))
        raise StoreUnavailable("failing")

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        self.ends.append((name, state))
        if self.failing:
            raise StoreUnavailable("failing")
        await super().finish(name, owner, state, invitation_id)

    def is_free(self, name: bytes = b"name") -> bool:
        return name not in self._records

    def state(self, name: bytes = b"name") -> State:
        return self._records[name].state


def call(send: Callable[[], Awaitable[str]], name: bytes = b"name") -> KeyedCall[str]:
    async def read(id: str) -> str:
        return f"read {id}"

    return KeyedCall(name, b"f", "caller", send, read, id_of=lambda value: value)


async def unavailable(once: Once, name: bytes = b"name") -> None:
    async def never() -> str:
        raise AssertionError

    with pytest.raises(GatewayError) as raised:
        await once.run(call(never, name))
    assert raised.value.code is ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110  (the store has no event to await)
            await asyncio.sleep(0.01)


def with_store(work: Callable[[Once, FailingStore], Awaitable[None]], longest: float = 10.0) -> None:
    async def run() -> None:
        store = FailingStore()
        once = Once(store, longest=longest)
        await work(once, store)
        await once.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(None, State.DONE), (Outcome.APPLIED, State.DONE), (Outcome.UNKNOWN, State.UNKNOWN), (Outcome.NOT_APPLIED, None)],
)
def test_an_end_is_tried_again_until_the_store_works(outcome: Outcome | None, state: State | None) -> None:
    async def work(once: Once, store: FailingStore) -> None:
        store.failing = False

        async def send() -> str:
            store.failing = True
            if outcome:
                raise GatewayError(ErrorCode.UPSTREAM_ERROR, "failed", outcome)
            return "new"

        if outcome:
            with pytest.raises(GatewayError, match="failed"):
                await once.run(call(send))
        else:
            assert await once.run(call(send)) == "new"
        await until(lambda: len(store.ends) >= 4)
        assert store.state() is State.RUNNING
        store.failing = False
        await until(store.is_free if state is None else lambda: store.state() is state)

    with_store(work)


def test_a_claim_that_was_made_although_it_failed_is_freed() -> None:
    async def work(once: Once, store: FailingStore) -> None:
        await unavailable(once)
        assert not store.is_free()
        store.failing = False
        await until(store.is_free)

    with_store(work)


def test_a_claim_that_arrives_after_it_was_freed_is_freed_once_more() -> None:
    async def work(once: Once, store: FailingStore) -> None:
        store.claims_arrive = False
        await unavailable(once)
        finish = store.finish

        async def overtaking(*arguments: Any) -> None:
            await finish(*arguments)
            store.finish = finish  # type: ignore[method-assign]
            await store.late.pop()()
            assert not store.is_free()

        store.finish = overtaking  # type: ignore[method-assign, assignment]
        store.failing = False
        await until(lambda: not store.late and store.is_free())

    with_store(work)


def test_a_claim_that_is_cancelled_is_freed() -> None:
    async def work(once: Once, store: FailingStore) -> None:
        claimed = asyncio.Event()

        async def hanging(name: bytes, record: Record) -> None:
            await MemoryStore.claim(store, name, record)
            claimed.set()
            await asyncio.Event().wait()

        store.failing = False
        store.claim = hanging  # type: ignore[method-assign]

        async def send() -> str:
            raise AssertionError

        task = asyncio.create_task(once.run(call(send)))
        await claimed.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await until(store.is_free)

    with_store(work)


def test_one_that_still_fails_does_not_hold_up_the_others() -> None:
    async def work(once: Once, store: FailingStore) -> None:
        finish = store.finish

        async def failing_for_one(name: bytes, *rest: Any) -> None:
            if name == b"0":
                raise StoreUnavailable("failing")
            await finish(name, *rest)

        store.finish = failing_for_one  # type: ignore[method-assign, assignment]
        for number in range(5):
            await unavailable(once, b"%d" % number)
        store.failing = False
        await until(lambda: all(store.is_free(b"%d" % number) for number in range(1, 5)))
        assert not store.is_free(b"0")

    with_store(work)


def test_it_ends_with_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.idempotency.once.LEASE_MARGIN", 0.05)

    async def work(once: Once, store: FailingStore) -> None:
        await unavailable(once)
        await until(lambda: len(asyncio.all_tasks()) == 1)  # this one
        assert not store.is_free()

    with_store(work, longest=0.05)


def test_no_more_wait_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "MAX_ENDS", 2)

    async def work(once: Once, store: FailingStore) -> None:
        for number in range(5):
            await unavailable(once, b"%d" % number)
        store.failing = False
        await until(lambda: store.is_free(b"0") and store.is_free(b"1"))
        await until(lambda: len(asyncio.all_tasks()) == 1)
        assert not any(store.is_free(b"%d" % number) for number in range(2, 5))

    with_store(work)


def test_there_is_a_last_try_when_the_gateway_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "FIRST_PAUSE", LIMIT)

    async def run() -> None:
        store = FailingStore()
        once = Once(store, longest=10.0)
        for number in range(5):
            await unavailable(once, b"%d" % number)
        store.failing = False
        await once.aclose()
        assert len(store.ends) == 5

    asyncio.run(run())


def test_the_last_try_does_not_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "CLOSE_LIMIT", 0.01)

    async def work(once: Once, store: FailingStore) -> None:
        async def hanging(*_: Any) -> None:
            await asyncio.Event().wait()

        await unavailable(once)
        store.finish = hanging  # type: ignore[method-assign, assignment]
        async with asyncio.timeout(LIMIT):
            await once.aclose()

    with_store(work)


def test_a_cancellation_that_the_store_loses_does_not_keep_the_gateway_from_ending() -> None:
    async def work(once: Once, store: FailingStore) -> None:
        begun = asyncio.Event()

        async def losing(*_: Any) -> None:
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            raise StoreUnavailable

        await unavailable(once)
        store.finish = losing  # type: ignore[method-assign, assignment]
        await begun.wait()
        store.finish = FailingStore().finish  # type: ignore[method-assign]
        async with asyncio.timeout(LIMIT):
            await once.aclose()

    with_store(work, longest=1000.0)


def eventually(gateway: Gateway, key: str) -> Any:
    """Return the result for the key once it is no longer running."""

    def ended() -> Any:
        answer = gateway.run(*create(key))
        codes = {it["extensions"]["code"] for it in answer.get("errors", [])}
        return not codes & {"IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_STORE_UNAVAILABLE"} and answer

    return wait_until(ended, "the key is no longer running")


def test_a_key_can_be_used_after_redis_was_stopped_and_has_executed_a_claim_late(
    upstream: InvitationsUpstream,
) -> None:
    upstream.expect(always(CREATED))
    with redis_server() as server, running_gateway(upstream.url, idempotency_store=server.url) as gateway:
        gateway.data(*create(new_key()))
        key = new_key()
        with server.paused():
            assert gateway.error(*create(key))["extensions"]["code"] == "IDEMPOTENCY_STORE_UNAVAILABLE"
        assert eventually(gateway, key)["data"]["createInvitation"]["inviter"] == "as sent"
    assert len(upstream.calls) == 2


def test_the_result_is_stored_once_redis_is_no_longer_full(upstream: InvitationsUpstream) -> None:
    key = new_key()
    with redis_server() as server, redis.Redis(port=server.port) as admin:

        def filling(request: Request) -> bytes:
            if request.method == "GET":
                return READ
            admin.config_set("maxmemory", 1)
            return CREATED

        upstream.expect(filling)
        with running_gateway(upstream.url, idempotency_store=server.url) as gateway:
            gateway.data(*create(key))
            admin.config_set("maxmemory", 0)
            assert eventually(gateway, key)["data"]["createInvitation"]["inviter"] == "as read"
    assert [call.method for call in upstream.calls] == ["POST", "GET"]
