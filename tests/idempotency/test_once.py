"""The state machine, with a clock of its own."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ErrorCode, GatewayError, Outcome, without_frames
from gateway.idempotency import KeyedCall, MemoryStore, Once, Record, SqliteStore, State, StoreUnavailable
from gateway.idempotency.once import KEEP, LEASE_MARGIN

pytestmark = pytest.mark.quick

TIMEOUT = 10.0
LEASE = TIMEOUT + LEASE_MARGIN


class Lab:
    """Two processes that share a store and a clock."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.now = 1_000_000.0
        self.sent = 0
        self.store = store or MemoryStore()
        self.first, self.second = (Once(self.store, longest=TIMEOUT, clock=lambda: self.now) for _ in range(2))

    def call(self, send: Callable[[], Awaitable[str]] | None = None, fingerprint: bytes = b"f") -> KeyedCall[str]:
        async def done() -> str:
            return "new"

        async def counted() -> str:
            self.sent += 1
            return await (send or done)()

        async def read(id: str) -> str:
            return f"read {id}"

        return KeyedCall(b"name", fingerprint, "caller", counted, read, id_of=lambda value: value)


def failing(outcome: Outcome | None) -> Callable[[], Awaitable[str]]:
    async def send() -> str:
        raise GatewayError(ErrorCode.UPSTREAM_ERROR, "failed", outcome)

    return send


async def code_of(work: Awaitable[Any]) -> tuple[ErrorCode, Outcome | None]:
    with pytest.raises(GatewayError) as raised:
        await work
    return raised.value.code, raised.value.outcome


IN_PROGRESS = (ErrorCode.IDEMPOTENCY_IN_PROGRESS, Outcome.UNKNOWN)
UNKNOWN = (ErrorCode.IDEMPOTENCY_UNKNOWN, Outcome.UNKNOWN)
UNAVAILABLE = (ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE, Outcome.NOT_APPLIED)


class Held:
    """A mutation that runs until it is released."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self) -> str:
        self.started.set()
        await self.released.wait()
        return "new"


def test_requests_of_one_process_share_a_result_and_others_are_told_to_wait() -> None:
    async def run() -> None:
        lab, held = Lab(), Held()
        tasks = [asyncio.create_task(lab.first.run(lab.call(held))) for _ in range(20)]
        await held.started.wait()
        assert await code_of(lab.second.run(lab.call())) == IN_PROGRESS
        held.released.set()
        assert set(await asyncio.gather(*tasks)) == {"new"}
        assert await lab.second.run(lab.call()) == "read new"
        assert lab.sent == 1

    asyncio.run(run())


def test_requests_that_joined_one_that_is_cancelled_are_told_to_wait() -> None:
    async def run() -> None:
        lab, held = Lab(), Held()
        first = asyncio.create_task(lab.first.run(lab.call(held)))
        await held.started.wait()
        joining = asyncio.create_task(lab.first.run(lab.call()))
        await asyncio.sleep(0)
        first.cancel()
        assert await code_of(joining) == IN_PROGRESS
        assert first.cancelled()
        assert lab.sent == 1

    asyncio.run(run())


def test_a_name_that_is_bound_stays_bound_for_a_day() -> None:
    async def run() -> None:
        lab = Lab()
        await lab.first.bind(b"name", b"list")
        lab.now += KEEP - 1
        await lab.second.bind(b"name", b"list")
        for work in (lab.second.bind(b"name", b"other"), lab.second.run(lab.call())):
            assert await code_of(work) == (ErrorCode.IDEMPOTENCY_KEY_REUSED, Outcome.NOT_APPLIED)
        lab.now += 1
        await lab.second.bind(b"name", b"other")
        assert lab.sent == 0

    asyncio.run(run())


def test_a_claim_whose_process_died_is_unknown_after_its_lease() -> None:
    async def run() -> None:
        lab, held = Lab(), Held()
        task = asyncio.create_task(lab.first.run(lab.call(held)))
        await held.started.wait()
        task.cancel()  # as if it was killed: nothing is recorded
        await asyncio.wait([task])
        lab.now += LEASE - 0.1
        assert await code_of(lab.second.run(lab.call())) == IN_PROGRESS
        lab.now += 0.1
        for process in (lab.second, lab.first):
            assert await code_of(process.run(lab.call())) == UNKNOWN
        assert lab.sent == 1

    asyncio.run(run())


@pytest.mark.parametrize("outcome", [None, Outcome.NOT_APPLIED, Outcome.UNKNOWN, Outcome.APPLIED])
def test_a_late_end_does_not_change_what_others_were_told(outcome: Outcome | None) -> None:
    async def run() -> None:
        lab, held = Lab(), Held()

        async def late() -> str:
            await held()
            return "new" if outcome is None else await failing(outcome)()

        task = asyncio.create_task(lab.first.run(lab.call(late)))
        await held.started.wait()
        lab.now += LEASE
        assert await code_of(lab.second.run(lab.call())) == UNKNOWN
        held.released.set()
        if outcome is None:
            assert await task == "new"  # its own client gets the true result
        else:
            assert await code_of(task) == (ErrorCode.UPSTREAM_ERROR, outcome)
        assert await code_of(lab.second.run(lab.call())) == UNKNOWN
        assert lab.sent == 1

    asyncio.run(run())


def test_a_late_end_that_nobody_has_asked_for_is_recorded() -> None:
    async def run() -> None:
        lab, held = Lab(), Held()
        task = asyncio.create_task(lab.first.run(lab.call(held)))
        await held.started.wait()
        lab.now += LEASE
        held.released.set()
        await task
        assert await lab.second.run(lab.call()) == "read new"

    asyncio.run(run())


def test_a_late_end_does_not_touch_the_claim_of_another() -> None:
    async def run() -> None:
        lab, first, second = Lab(), Held(), Held()
        tasks = [asyncio.create_task(lab.first.run(lab.call(first)))]
        await first.started.wait()
        lab.now += KEEP
        tasks.append(asyncio.create_task(lab.second.run(lab.call(second))))
        await second.started.wait()
        first.released.set()
        await tasks[0]
        third = Once(lab.store, longest=TIMEOUT, clock=lambda: lab.now)
        assert await code_of(third.run(lab.call())) == IN_PROGRESS
        second.released.set()
        await tasks[1]

    asyncio.run(run())


def test_a_key_is_free_again_after_a_day_and_not_before() -> None:
    async def run() -> None:
        lab = Lab()
        await lab.first.run(lab.call())
        lab.now += KEEP - 1
        assert await lab.first.run(lab.call()) == "read new"
        lab.now += 1
        assert await lab.first.run(lab.call(fingerprint=b"other")) == "new"
        assert lab.sent == 2

    asyncio.run(run())


def test_a_bug_while_sending_makes_the_outcome_unknown() -> None:
    async def run() -> None:
        lab = Lab()

        async def bug() -> str:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await lab.first.run(lab.call(bug))
        assert await code_of(lab.first.run(lab.call())) == UNKNOWN

    asyncio.run(run())


class BrokenStore(MemoryStore):
    """A store that fails when it is told to."""

    broken: frozenset[str] = frozenset()
    error: Exception = StoreUnavailable("broken")

    async def claim(self, name: bytes, record: Record) -> Record | None:
        if "claim" in self.broken:
            raise self.error
        return await super().claim(name, record)

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        if "finish" in self.broken:
            raise self.error
        await super().finish(name, owner, state, invitation_id)


@pytest.mark.parametrize("error", [StoreUnavailable("broken"), ZeroDivisionError("a bug in the store")])
def test_if_the_store_fails_before_the_claim_nothing_is_sent(error: Exception) -> None:
    async def run() -> None:
        store = BrokenStore()
        store.broken, store.error = frozenset({"claim"}), error
        lab = Lab(store)
        assert await code_of(lab.first.run(lab.call())) == UNAVAILABLE
        assert lab.sent == 0
        store.broken = frozenset()
        assert await lab.first.run(lab.call()) == "new"

    asyncio.run(run())


@pytest.mark.parametrize("error", [StoreUnavailable("broken"), ZeroDivisionError("a bug in the store")])
def test_if_the_store_fails_after_the_send_the_result_is_true_and_the_key_becomes_unknown(error: Exception) -> None:
    async def run() -> None:
        store = BrokenStore()
        store.broken, store.error = frozenset({"finish"}), error
        lab = Lab(store)
        assert await lab.first.run(lab.call()) == "new"
        assert await code_of(lab.first.run(lab.call())) == IN_PROGRESS
        lab.now += LEASE
        assert await code_of(lab.first.run(lab.call())) == UNKNOWN
        assert lab.sent == 1

    asyncio.run(run())


def test_a_claim_that_took_as_long_as_its_lease_is_not_used() -> None:
    async def run() -> None:
        lab = Lab()

        class SlowStore(MemoryStore):
            async def claim(self, name: bytes, record: Record) -> Record | None:
                found = await super().claim(name, record)
                lab.now += LEASE_MARGIN + 1  # the process was stopped
                return found

        slow = Once(store := SlowStore(), longest=TIMEOUT, clock=lambda: lab.now)
        assert await code_of(slow.run(lab.call())) == UNAVAILABLE
        assert lab.sent == 0
        assert await MemoryStore.claim(store, b"name", Record(b"f", b"o", 0.0, 0.0, 0.0)) is None  # it was freed

    asyncio.run(run())


def test_a_full_store_refuses_new_keys_and_forgets_none_before_its_time() -> None:
    async def run() -> None:
        lab = Lab(MemoryStore(max_records=1))
        await lab.first.run(lab.call())
        other = KeyedCall(b"another", b"f", "caller", lab.call().send, lab.call().read, id_of=lambda value: value)
        assert await code_of(lab.first.run(other)) == UNAVAILABLE
        assert await lab.first.run(lab.call()) == "read new"
        lab.now += KEEP
        assert await lab.first.run(other) == "new"

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("outcome", [None, Outcome.NOT_APPLIED, Outcome.UNKNOWN], ids=str)
def test_no_request_leaves_garbage(kind: str, tmp_path: Path, outcome: Outcome | None) -> None:
    async def ask(once: Once, call: KeyedCall[str]) -> None:
        try:
            await once.run(call)
        except GatewayError as error:
            without_frames(error)  # as the engine does

    async def run() -> None:
        store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "keys.db")
        once, lab = Once(store, longest=TIMEOUT), Lab()
        call = lab.call(failing(outcome) if outcome else None)
        await ask(once, call)
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await asyncio.gather(*(ask(once, call) for _ in range(2)))
            assert gc.collect() < 20
        finally:
            gc.enable()
        await store.aclose()

    asyncio.run(run())
