"""Remembers which callers the API throttles, so that nothing is sent for them until their pause is over.

Graph counts requests that are sent while it throttles (Microsoft Graph, "Throttling guidance").
"""

import asyncio
import random
from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from gateway.invitations.caller import Caller

MAX_PAUSE = 3600.0
"""Maximum seconds of a pause, whatever `Retry-After` says: then the API is asked again."""
MAX_CALLERS = 10_000
"""Maximum number of callers remembered, about 5 MB. For one more, the caller whose pause ends first is forgotten."""
HEARD_SHARE = 0.5
"""Share of them that others have told of: they cannot displace what this process was told by the API."""
MAX_HEARD_PAUSE = 300.0
"""Maximum seconds of a pause that others have told of."""
SPREAD = 1.0
"""Maximum seconds between the calls that have waited for the end of a pause. A short pause spreads them less."""
MAX_WAITING = 100
"""Maximum number of calls of a caller that wait for the end of its pauses. More are refused at once: those that wait
take places of other callers' calls."""

News: TypeAlias = Callable[[bytes, float], object]


class Throttle:
    """The callers that the API throttles, by a hash of their token. Belongs to one event loop."""

    def __init__(self, *, api: str, max_callers: int = MAX_CALLERS) -> None:
        """Take the URL of the API: a token may be throttled by one and not by another."""
        self._api = api.encode()
        self._max_callers = max_callers
        self.callers: dict[bytes, float] = {}
        """For each caller, the event loop time at which its pause is over. It removes itself then."""
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        """The timers that remove them."""
        self._heard: set[bytes] = set()
        """Those that only others have told of."""
        self._waiting: dict[bytes, int] = {}
        """For each caller with calls that wait, their number."""
        self.on_news: News | None = None
        """Called with a caller and the seconds of its pause, if it was not known before."""

    def add(self, caller: Caller, seconds: float) -> None:
        """Remember that the API has asked for a pause."""
        name = self.name(caller)
        self._heard.discard(name)
        if name not in self.callers and len(self.callers) >= self._max_callers:
            self._forget(min(self.callers, key=self.callers.__getitem__))  # takes half a millisecond
        if self._hold(name, min(seconds, MAX_PAUSE)) and self.on_news:
            self.on_news(name, seconds)

    def hear(self, name: bytes, seconds: float) -> None:
        """Remember a pause of the caller with this name that another process was told, if there is room."""
        if name not in self.callers:
            if len(self.callers) >= self._max_callers or len(self._heard) >= self._max_callers * HEARD_SHARE:
                return
            self._heard.add(name)
        self._hold(name, min(seconds, MAX_HEARD_PAUSE))

    def name(self, caller: Caller) -> bytes:
        """Return the name of a caller, which does not reveal its token."""
        return sha256(self._api + b"\0" + caller.token()).digest()

    def left(self, caller: Caller) -> float:
        """Return the seconds until the caller's pause is over, 0 if there is none."""
        return max(self.callers.get(self.name(caller), 0.0) - asyncio.get_running_loop().time(), 0.0)

    async def wait(self, caller: Caller, limit: float) -> float | None:
        """Wait until the caller's pause is over.

        Return its seconds at once if that takes longer than `limit`, or if too many calls of the caller wait already.
        """
        name = self.name(caller)
        loop = asyncio.get_running_loop()
        latest = loop.time() + limit
        while (until := self.callers.get(name, 0.0)) > (now := loop.time()):
            if until > latest or self.is_crowded(caller):
                return until - now
            spread = min(SPREAD, until - now, latest - until)
            await self.sleep(caller, until - now + random.uniform(0, spread))  # noqa: S311 (jitter)
        return None

    def is_crowded(self, caller: Caller) -> bool:
        """Return whether no other call of the caller may wait."""
        return self._waiting.get(self.name(caller), 0) >= MAX_WAITING

    async def sleep(self, caller: Caller, seconds: float) -> bool:
        """Sleep, as one of the caller's calls that wait. Return False at once if it may not."""
        name = self.name(caller)
        waiting = self._waiting.get(name, 0)
        if waiting >= MAX_WAITING:
            return False
        self._waiting[name] = waiting + 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]
        return True

    def _hold(self, name: bytes, seconds: float) -> bool:
        """Remember a pause, and return whether it was not known before."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        known = self.callers.get(name)
        if known is None:
            self._timers[name] = loop.call_at(until, self._end, name)
        elif until <= known:
            return False
        self.callers[name] = until
        return True

    def _end(self, name: bytes) -> None:
        loop = asyncio.get_running_loop()
        until = self.callers[name]
        if until > loop.time():  # it was extended
            self._timers[name] = loop.call_at(until, self._end, name)
        else:
            self._forget(name)

    def _forget(self, name: bytes) -> None:
        del self.callers[name]
        self._timers.pop(name).cancel()
        self._heard.discard(name)
