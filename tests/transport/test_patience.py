"""A time limit that is over, or that nobody needs any more."""

import asyncio
from typing import Any

import pytest
from support.transports import GENEROUS, LOOPS, Run

from gateway.transport.patience import Within

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@every_loop
@pytest.mark.parametrize("ago", [0.0, 5.0])
def test_what_begins_when_its_time_is_over_does_not_run(run: Run, ago: float) -> None:
    async def main() -> None:
        ran = False
        with pytest.raises(TimeoutError):
            async with Within(asyncio.get_running_loop().time() - ago):
                ran = True
        assert not ran

    run(main())


@every_loop
def test_a_limit_that_was_kept_has_no_effect_later(run: Run) -> None:
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
def test_what_takes_longer_than_its_limit_is_cancelled(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with Within(asyncio.get_running_loop().time() + 0.01):
                await asyncio.Event().wait()

    run(main())
