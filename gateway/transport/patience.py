"""Timeouts that stay correct when the event loop stalls."""

import asyncio
from types import TracebackType
from typing import Any, Self

TURNS = 20
"""Event loop iterations that the loop needs to notice what happened during a stall."""
MAX_LATE_TURNS = 100
"""Maximum event loop iterations to read what the kernel has after a stall: megabytes, at 64 KiB or more each."""


def has_result(future: asyncio.Future[Any]) -> bool:
    """Return whether a future has a result, which may have come just before whoever waited for it gave up."""
    return future.done() and not future.cancelled() and future.exception() is None


class Within:
    """A timeout like `asyncio.timeout_at`, except that the event loop first handles what arrived in time.

    After a stall, a loop may run its timers before it polls its sockets, as uvloop does. Raises TimeoutError, at once
    if the time has already passed. None means no timeout.
    """

    def __init__(self, until: float | None, *, turns: int = TURNS) -> None:
        self._until = until
        self._turns = turns
        self._limit = asyncio.timeout(None)
        self._handle: asyncio.Handle | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._until is not None:
            if self._until <= loop.time():
                raise TimeoutError
            self._handle = loop.call_at(self._until, self._look, self._turns)
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _look(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            self._handle = loop.call_soon(self._look, turns - 1)
        else:
            self._limit.reschedule(loop.time())
