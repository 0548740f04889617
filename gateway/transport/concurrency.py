"""Limits the requests in flight to as many as the server answers in time (an adaptive concurrency limit).

An overloaded server answers all requests late, and works on some that have already timed out. By Little's law, the
latency is the number of requests in flight divided by the answers per second. While that is more than the maximum,
requests wait here, where a timeout costs the server nothing.
"""

import asyncio
from collections import OrderedDict, deque

import httpx

from gateway.transport.patience import TURNS, Within, has_result

ALWAYS = 100
"""Number of requests that are always allowed in flight: the rate of answers is unknown at first. It can be too many for
a slow server, so each request that times out in flight lowers it by 1, and each answer raises it by `RECOVERY`."""
LEAST = 10
"""The number is not lowered further, so that a server that recovers is noticed."""
RECOVERY = 0.05
"""The number falls while more than one in about twenty requests times out."""
GROWTH = 2
"""Requests allowed in flight for each answer in the window, which is `max_latency / GROWTH`: long enough to measure a
rate, and short enough to follow a server that becomes faster or slower."""


class ConcurrencyLimit:
    """Admits requests first come, first served. Belongs to one event loop."""

    def __init__(self, *, max_in_flight: int, max_latency: float) -> None:
        """`max_latency` is the maximum expected latency of a request in flight, in seconds."""
        self._max_in_flight = max_in_flight
        self._window = max_latency / GROWTH
        self._in_flight = 0
        self._always: float = ALWAYS
        self._answers: deque[float] = deque(maxlen=max_in_flight // GROWTH + 1)
        """Times at which the latest answers arrived."""
        self._line: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Number of requests that wait to be admitted."""
        return len(self._line)

    def admit(self, now: float) -> bool:
        """Return whether a request may be sent now. If so, it counts as in flight until `leave` is called."""
        if self._line or not self._has_room(now):
            return False
        self._in_flight += 1
        return True

    async def wait(self, until: float | None) -> None:
        """Return when a request that was not admitted may be sent; it counts as in flight until `leave` is called.

        Raises `httpx.PoolTimeout` at `until` (event loop time), and `httpx.ConnectError` if the limit is closed.
        """
        admitted = asyncio.get_running_loop().create_future()
        self._line[admitted] = None
        try:
            async with Within(until, turns=2 * TURNS):
                await admitted
        except BaseException as error:
            self._line.pop(admitted, None)
            if has_result(admitted):
                if isinstance(error, TimeoutError):
                    return
                self.leave(asyncio.get_running_loop().time(), answered=False)  # cancelled just after it was admitted
            del admitted  # it may hold the error, whose traceback holds it: a reference cycle
            if isinstance(error, TimeoutError):
                raise httpx.PoolTimeout("The request was not sent in time: too many are in flight.") from None
            raise

    def leave(self, now: float, *, answered: bool, late: bool = False) -> None:
        """End a request that was admitted, and admit those that may now be sent. It is `late` if it timed out."""
        self._in_flight -= 1
        if answered:
            self._answers.append(now)
            if self._always < ALWAYS:
                self._always = min(self._always + RECOVERY, ALWAYS)
        elif late:
            self._always = max(self._always - 1, LEAST)
        while self._line and self._has_room(now):
            admitted, _ = self._line.popitem(last=False)
            if not admitted.done():
                self._in_flight += 1
                admitted.set_result(None)

    def close(self) -> None:
        """Fail the requests that wait with `httpx.ConnectError`."""
        while self._line:
            admitted, _ = self._line.popitem()
            if not admitted.done():
                admitted.set_exception(httpx.ConnectError("The transport was closed before the request was sent."))

    def _has_room(self, now: float) -> bool:
        if self._in_flight >= self._max_in_flight:
            return False
        if self._in_flight < self._always:
            return True
        needed = self._in_flight // GROWTH + 1
        return len(self._answers) >= needed and self._answers[-needed] > now - self._window
