"""The limit on requests in flight follows the rate of answers, admits in order, and leaks no slot."""

import asyncio
import random
from collections import deque
from functools import partial

import httpx
import pytest
from support.transports import GENEROUS, LOOPS, Run
from support.waiting import until

from gateway.transport import concurrency
from gateway.transport.concurrency import ALWAYS, LEAST, ConcurrencyLimit
from gateway.transport.patience import TURNS

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


def now() -> float:
    return asyncio.get_running_loop().time()


def limit_of(max_in_flight: int = 1000, *, max_latency: float = 600.0) -> ConcurrencyLimit:
    return ConcurrencyLimit(max_in_flight=max_in_flight, max_latency=max_latency)


def fill(limit: ConcurrencyLimit) -> int:
    """Admit requests until one would have to wait, and return their number."""
    count = 0
    while limit.admit(now()):
        count += 1
    return count


def free(limit: ConcurrencyLimit) -> int:
    """Return the number of requests that the limit would admit now."""
    count = fill(limit)
    for _ in range(count):
        limit.leave(now(), answered=False)
    return count


def answer(limit: ConcurrencyLimit, count: int) -> None:
    for _ in range(count):
        limit.leave(now(), answered=True)


@pytest.mark.parametrize(("max_in_flight", "admitted"), [(1, 1), (99, 99), (100, 100), (101, 100), (4000, 100)])
def test_a_hundred_requests_are_admitted_before_any_is_answered_unless_the_maximum_is_lower(
    max_in_flight: int, admitted: int
) -> None:
    async def main() -> None:
        limit = limit_of(max_in_flight)
        assert fill(limit) == admitted
        limit.leave(now(), answered=False)
        assert fill(limit) == 1

    asyncio.run(main())


def test_two_requests_are_admitted_for_each_answer_up_to_the_maximum() -> None:
    async def main() -> None:
        limit = limit_of(1000)
        in_flight = fill(limit)
        for expected in (100, 200, 600, 1000, 1000):
            assert in_flight == expected
            answer(limit, in_flight)
            in_flight = fill(limit)

    asyncio.run(main())


def test_failed_requests_do_not_count_as_answers() -> None:
    async def main() -> None:
        limit = limit_of()
        for _ in range(5):
            for _ in range(fill(limit)):
                limit.leave(now(), answered=False)
        assert fill(limit) == ALWAYS

    asyncio.run(main())


def test_answers_older_than_half_the_latency_do_not_count() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock, passed = loop.time, 0.0
        loop.time = lambda: clock() + passed  # type: ignore[method-assign]
        limit = limit_of(max_latency=600.0)
        answer(limit, fill(limit))
        passed += 250.0
        answer(limit, fill(limit))
        assert free(limit) == 600
        passed += 100.0
        assert free(limit) == 400
        passed += 250.0
        assert free(limit) == ALWAYS
        answer(limit, fill(limit))
        assert free(limit) == 200

    asyncio.run(main())


@every_loop
def test_waiting_requests_are_admitted_in_order_as_others_end(run: Run) -> None:
    async def main() -> None:
        limit = limit_of()
        fill(limit)
        order: list[int] = []

        async def wait(number: int) -> None:
            await limit.wait(None)
            order.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(10)]
        await until(lambda: limit.waiting == 10)
        assert not limit.admit(now())
        tasks[0].cancel()
        tasks[4].cancel()
        for _ in range(3):
            limit.leave(now(), answered=False)
        await until(lambda: len(order) == 3)
        assert limit.waiting == 5
        answer(limit, 60)
        await asyncio.wait(tasks)
        assert order == [1, 2, 3, 5, 6, 7, 8, 9]
        # 108 requests were admitted, and 63 have ended.
        assert free(limit) == 2 * 60 - (100 + 8 - 63)

    run(main())


@every_loop
def test_a_request_does_not_overtake_those_that_wait(run: Run) -> None:
    async def main() -> None:
        limit = limit_of()
        fill(limit)
        waiting = asyncio.create_task(limit.wait(None))
        await until(lambda: limit.waiting == 1)
        waiting.cancel()
        assert not limit.admit(now())
        last = asyncio.create_task(limit.wait(None))
        limit.leave(now(), answered=False)
        assert limit.admit(now())
        await asyncio.wait([waiting])
        assert limit.waiting == 1
        limit.leave(now(), answered=False)
        await asyncio.wait_for(last, GENEROUS)
        assert fill(limit) == 0

    run(main())


@every_loop
def test_a_request_that_is_cancelled_as_it_is_admitted_hands_its_slot_to_the_next(run: Run) -> None:
    async def main() -> None:
        limit = limit_of()
        fill(limit)
        leaving, next_one = (asyncio.create_task(limit.wait(None)) for _ in range(2))
        await until(lambda: limit.waiting == 2)
        limit.leave(now(), answered=False)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await asyncio.wait_for(next_one, GENEROUS)
        assert (limit.waiting, free(limit)) == (0, 0)
        limit.leave(now(), answered=False)
        assert free(limit) == 1

    run(main())


@every_loop
def test_a_slot_that_becomes_free_during_a_timeout_is_not_lost(run: Run) -> None:
    outcomes: set[str] = set()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def leave_in(turns: int, *, cancelled: bool) -> None:
            if turns:
                loop.call_soon(partial(leave_in, turns - 1, cancelled=cancelled))
            else:
                limit.leave(now(), answered=False)
                if cancelled:
                    waiting.cancel()

        for turn in range(3 * TURNS):
            for cancelled in (False, True):
                limit = limit_of()
                fill(limit)
                end = loop.time() + 0.002
                waiting = asyncio.create_task(limit.wait(end))
                loop.call_at(end, partial(leave_in, turn, cancelled=cancelled))
                (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
                outcomes.add(type(outcome).__name__)
                await until(lambda: free(limit) == (0 if outcome is None else 1))  # noqa: B023 (awaited here)
                assert limit.waiting == 0

    run(main())
    assert outcomes == {"NoneType", "PoolTimeout", "CancelledError"}


@every_loop
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01])
def test_a_request_that_is_not_admitted_in_time_fails_with_pool_timeout(run: Run, seconds: float) -> None:
    async def main() -> None:
        limit = limit_of()
        fill(limit)
        with pytest.raises(httpx.PoolTimeout):
            await limit.wait(asyncio.get_running_loop().time() + seconds)
        assert (limit.waiting, free(limit)) == (0, 0)

    run(main())


@every_loop
def test_closing_the_limit_fails_each_waiting_request_with_its_own_error(run: Run) -> None:
    async def main() -> None:
        limit = limit_of()
        fill(limit)
        tasks = [asyncio.create_task(limit.wait(None)) for _ in range(5)]
        await until(lambda: limit.waiting == 5)
        tasks[0].cancel()
        limit.close()
        assert limit.waiting == 0
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        errors = {task.exception() for task in tasks[1:]}
        assert [type(error) for error in errors] == [httpx.ConnectError] * 4
        assert free(limit) == 0

    run(main())


class Model:
    """Counts the requests in flight, and checks that each admission was allowed."""

    def __init__(self, max_in_flight: int, window: float) -> None:
        self.max_in_flight = max_in_flight
        self.window = window
        self.in_flight = 0
        self.answers: deque[float] = deque()

    def admitted(self) -> None:
        """Count a request that was admitted in this event loop iteration or the previous one."""
        now = asyncio.get_running_loop().time()
        recent = sum(answer > now - self.window - 1.0 for answer in self.answers)
        assert self.in_flight < self.max_in_flight
        assert self.in_flight < concurrency.ALWAYS or self.in_flight < concurrency.GROWTH * recent
        self.in_flight += 1

    def left(self, *, answered: bool) -> None:
        self.in_flight -= 1
        if answered:
            self.answers.append(asyncio.get_running_loop().time())


@every_loop
@pytest.mark.parametrize("seed", range(5))
def test_requests_in_any_order_are_admitted_or_time_out_and_leak_no_slot(
    run: Run, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(concurrency, "ALWAYS", 5)
    chance = random.Random(seed)  # noqa: S311  (must be the same each time)
    ends: list[str] = []

    async def main() -> None:
        limit = limit_of(10, max_latency=20.0)
        model = Model(10, 10.0)
        loop = asyncio.get_running_loop()

        async def send(*, patient: bool) -> None:
            try:
                if not limit.admit(now()):
                    await limit.wait(None if patient else loop.time() + chance.choice([0.0, 0.002, 0.02, GENEROUS]))
            except httpx.PoolTimeout:
                ends.append("timed out")
                return
            model.admitted()
            answered = False
            try:
                await asyncio.sleep(chance.choice([0.0, 0.0, 0.001, 0.01]))
                answered = chance.random() < 0.3
                ends.append("sent")
            finally:
                model.left(answered=answered)
                limit.leave(now(), answered=answered)
                if not patient and chance.random() < 0.5:  # in the iteration in which another was admitted
                    chance.choice(hasty).cancel()

        patient: list[asyncio.Task[None]] = []
        hasty: list[asyncio.Task[None]] = []
        for number in range(1000):
            (hasty if number % 2 else patient).append(asyncio.create_task(send(patient=not number % 2)))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.002)
            if hasty and chance.random() < 0.3:
                chance.choice(hasty[-20:]).cancel()
        await asyncio.wait_for(asyncio.gather(*patient), GENEROUS)
        await asyncio.wait(hasty)
        assert [task.exception() for task in hasty if not task.cancelled() and task.exception()] == []
        assert any(task.cancelled() for task in hasty)
        assert (limit.waiting, model.in_flight) == (0, 0)
        limit._answers.clear()  # noqa: SLF001 (so that the number of free slots is known)
        assert free(limit) == 5

    run(main())
    assert set(ends) == {"timed out", "sent"}


def answered_in_time(limit: ConcurrencyLimit, *, timeout: float, rate: int, load: int, seconds: int) -> list[int]:
    """Return how many requests are answered in time in each second, by a server that does not notice timeouts.

    Time is simulated in milliseconds. Requests wait to be sent for a quarter of their time.
    """
    waiting: deque[float] = deque()
    alive: deque[float] = deque()
    """When the requests in flight began. The server's line also has those that timed out."""
    line: deque[float] = deque()
    counts = [0] * seconds
    for tick in range(seconds * 1000):
        time = tick / 1000
        waiting.extend([time] * (load // 1000))
        while alive and alive[0] + timeout <= time:
            alive.popleft()
            limit.leave(time, answered=False, late=True)
        if line and tick % (1000 // rate) == 0 and (began := line.popleft()) + timeout > time:
            assert alive.popleft() == began
            limit.leave(time, answered=True)
            counts[tick // 1000] += 1
        while waiting and waiting[0] + timeout / 4 <= time:
            waiting.popleft()
        while waiting and limit.admit(time):
            alive.append(waiting[0])
            line.append(waiting.popleft())
    return counts


@pytest.mark.parametrize("timeout", [0.5, 1.0, 2.0, 10.0])
def test_a_server_that_is_overloaded_by_a_hundred_requests_still_answers_most_in_time(timeout: float) -> None:
    limit = ConcurrencyLimit(max_in_flight=4000, max_latency=timeout / 2)
    counts = answered_in_time(limit, timeout=timeout, rate=100, load=1000, seconds=60)
    assert sum(counts[10:]) >= 90 * 50


def test_after_timeouts_a_few_requests_are_admitted_and_answers_raise_their_number_to_a_hundred() -> None:
    async def main() -> None:
        limit = limit_of(max_latency=1e-9)  # no answer is recent
        for _ in range(200):
            assert limit.admit(now())
            limit.leave(now(), answered=False, late=True)
        assert free(limit) == LEAST
        for _ in range(2000):
            assert limit.admit(now())
            limit.leave(now(), answered=True)
        assert free(limit) == ALWAYS

    asyncio.run(main())
