"""A timer for timeouts that rarely end."""

import asyncio
from collections.abc import Callable
from math import inf


class LazyTimer:
    """Calls a function at a time that is moved again and again, usually before it comes.

    Setting and cancelling a timer of uvloop takes 1.4 µs; this one keeps the event loop's timer when it is moved to a
    later time, and looks at the time when that rings.
    """

    __slots__ = ("_call", "_loop", "_rings", "_timer", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._when: float | None = None
        self._rings = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Call the function at an event loop time, and not at the time that was set before."""
        self._when = when
        if when < self._rings:
            self._ring_at(when)

    def unset(self) -> None:
        """Do not call the function until a time is set again."""
        self._when = None

    @property
    def is_set(self) -> bool:
        """Whether the function is to be called."""
        return self._when is not None

    def close(self) -> None:
        """Cancel the event loop's timer, and forget the function, which may refer to this object."""
        self._when, self._rings = None, -inf  # no later time is earlier
        self._call = _do_nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings = None, inf
        when = self._when
        if when is None:
            return
        if when > self._loop.time():
            self._ring_at(when)
        else:
            self._when = None
            self._call()


def _do_nothing() -> None:
    """Do nothing: the timer is closed."""
