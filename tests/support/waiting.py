"""Wait for a condition: in a thread, or on an event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

LIMIT = 60.0
"""Seconds, generous for a busy machine."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str) -> T:
    """Return the condition's result as soon as it is true. Raises TimeoutError with `what` did not happen."""
    deadline = time.monotonic() + LIMIT
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {LIMIT:.0f} seconds: {what}")
        time.sleep(0.01)
    return result


async def until(condition: Callable[[], object]) -> None:
    """Like `wait_until`, without blocking the event loop."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110  (threads and sockets have no event to await)
            await asyncio.sleep(0.005)
