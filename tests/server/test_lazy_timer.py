"""`LazyTimer`, which the server and the transport use for their timeouts."""

import asyncio
import gc
import weakref

import pytest

from gateway.lazy_timer import LazyTimer


class Calls:
    """Counts calls, and has a timer for them."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.called = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.timer = LazyTimer(self.loop, self._call)

    def _call(self) -> None:
        self.at.append(self.loop.time())
        self.called.set()


def set_later(calls: Calls, *delays: float) -> float:
    """Set the timer to each delay in turn, and return the last time."""
    when = 0.0
    for delay in delays:
        when = calls.loop.time() + delay
        calls.timer.set(when)
    return when


@pytest.mark.parametrize("delays", [(0.02,), (0.01, 0.05), (60.0, 0.02), (0.05, 60.0, 0.01)])
def test_a_timer_calls_once_and_not_before_the_time_that_was_set_last(delays: tuple[float, ...]) -> None:
    async def main() -> None:
        calls = Calls()
        when = set_later(calls, *delays)
        async with asyncio.timeout(60):
            await calls.called.wait()
        await asyncio.sleep(0.1)
        assert len(calls.at) == 1
        assert calls.at[0] >= when - 0.001
        assert not calls.timer.is_set

    asyncio.run(main())


def test_a_timer_that_is_unset_does_not_call_until_it_is_set_again() -> None:
    async def main() -> None:
        calls = Calls()
        set_later(calls, 0.01)
        calls.timer.unset()
        await asyncio.sleep(0.05)
        assert calls.at == []
        set_later(calls, 0.01)
        async with asyncio.timeout(60):
            await calls.called.wait()

    asyncio.run(main())


def test_a_timer_that_is_moved_to_later_times_uses_one_timer_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        calls = Calls()
        made = []
        call_at = calls.loop.call_at
        monkeypatch.setattr(calls.loop, "call_at", lambda *a: made.append(a) or call_at(*a))  # type: ignore[func-returns-value]
        for _ in range(100):
            set_later(calls, 60.0)
            calls.timer.unset()
        assert len(made) == 1

    asyncio.run(main())


def test_a_closed_timer_is_freed_with_what_it_would_have_called_and_cannot_be_set() -> None:
    async def main() -> None:
        calls = Calls()
        set_later(calls, 0.01)
        calls.timer.close()
        set_later(calls, 0.01)
        await asyncio.sleep(0.05)
        assert calls.at == []
        freed = weakref.ref(calls)
        gc.disable()
        try:
            del calls
            assert freed() is None
        finally:
            gc.enable()

    asyncio.run(main())
