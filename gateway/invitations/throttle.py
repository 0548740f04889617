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
"""Maximum number of callers remembered, about 5 MB. More are not: each of their calls gets a 429 of its own."""
SPREAD = 1.0
"""Maximum seconds between the calls that have waited for the end of a pause. A short pause spreads them less."""


News: TypeAlias = Callable[[bytes, float], object]


class Throttle:
    """The callers that the API throttles, by a hash of their token. Belongs to one event loop."""

    def __init__(self, *, api: str, max_callers: int = MAX_CALLERS) -> None:
        """Take the URL of the API: a token may be throttled by one and not by another."""
        self._api = api.encode()
        self._max_callers = max_callers
        self.callers: dict[bytes, float] = {}
        """For each caller, the event loop time at which its pause is over. It removes itself then."""
        self.on_news: News | None = None
        """Called with a caller and the seconds of its pause, if it was not known before."""

    def add(self, caller: Caller, seconds: float) -> None:
        """Remember that the API has asked for a pause."""
        name = self._name(caller)
        if self.hold(name, seconds) and self.on_news:
            self.on_news(name, seconds)

    def hold(self, name: bytes, seconds: float) -> bool:
        """Remember a pause of the caller with this name, and return whether it was not known before."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(seconds, MAX_PAUSE)
        known = self.callers.get(name)
        if known is None:
            if len(self.callers) >= self._max_callers:
                return False
            loop.call_at(until, self._end, name)
        elif until <= known:
            return False
        self.callers[name] = until
        return True

    def left(self, caller: Caller) -> float:
        """Return the seconds until the caller's pause is over, 0 if there is none."""
        return max(self.callers.get(self._name(caller), 0.0) - asyncio.get_running_loop().time(), 0.0)

    async def wait(self, caller: Caller, limit: float) -> float | None:
        """Wait until the caller's pause is over. If that takes longer than `limit`, return its seconds at once."""
        name = self._name(caller)
        loop = asyncio.get_running_loop()
        latest = loop.time() + limit
        while (until := self.callers.get(name, 0.0)) > (now := loop.time()):
            if until > latest:
                return until - now
            spread = min(SPREAD, until - now, latest - until)
            await asyncio.sleep(until - now + random.uniform(0, spread))  # noqa: S311 (jitter)
        return None

    def _end(self, name: bytes) -> None:
        loop = asyncio.get_running_loop()
        until = self.callers[name]
        if until > loop.time():  # it was extended
            loop.call_at(until, self._end, name)
        else:
            del self.callers[name]

    def _name(self, caller: Caller) -> bytes:
        return sha256(self._api + b"\0" + caller.token()).digest()
