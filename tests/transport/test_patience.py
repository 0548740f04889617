"""Timeouts that have passed, were met, or expire."""

import asyncio
from typing import Any

import pytest
from support.transports import GENEROUS, LOOPS, Run

from gateway.transport.patience import Within

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@every_loop
@pytest.mark.parametrize("ago", [0.0, 5.0])
def test_a_timeout_that_has_already_passed_runs_nothing(run: Run, ago: float) -> None:
    async def main() -> None:
        ran = False
        with pytest.raises(TimeoutError):
            async with Within(asyncio.get_running_loop().time() - ago):
                ran = True
        assert not ran

    run(main())


@every_loop
def test_a_timeout_that_was_met_has_no_effect_later(run: Run) -> None:
    async def main() -> None:
        problems: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        for until in (loop.time() + 0.05, None, loop.time() + GENEROUS):
            async with Within(until):
                await asyncio.sleep(0)
        await asyncio.sleep(0.2)
        assert problems == []

    run(main())


@every_loop
def test_a_timeout_cancels_what_takes_longer(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with Within(asyncio.get_running_loop().time() + 0.01):
                await asyncio.Event().wait()

    run(main())
