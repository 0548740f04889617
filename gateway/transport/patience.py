"""Time limits that a stall of the event loop does not make wrong."""

import asyncio
from types import TracebackType
from typing import Self

TURNS = 20
"""Turns of the event loop in which it sees what happened outside while it stood still."""


class Within:
    """A time limit like `asyncio.timeout_at`, but the event loop first looks round for what came in time.

    After a stall, a loop may run the timers before it looks at its sockets, as uvloop does. Raises TimeoutError, at
    once when the time is over already; None is no limit.
    """

    def __init__(self, until: float | None) -> None:
        self._until = until
        self._limit = asyncio.timeout(None)
        self._handle: asyncio.Handle | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._until is not None:
            if self._until <= loop.time():
                raise TimeoutError
            self._handle = loop.call_at(self._until, self._look, TURNS)
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
