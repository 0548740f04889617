"""Ends claims in the background that could not be ended when they should, because the store failed.

Only the owner of a claim can end it, and only while it is running, so a late end is safe. Without it, a key would be
unknown once its lease has ended, although its outcome is known, or nothing was ever sent for it.
"""

import asyncio
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

from gateway.errors import without_frames
from gateway.idempotency.store import State, Store

MAX_ENDS = 10_000
"""Maximum number of claims that wait to be ended, about 5 MB. Others become unknown with their lease."""
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
"""Seconds before it tries again: they double from the first to the last."""
CONFIRM_AFTER = 5.0
"""Seconds after which a claim is freed again that was given up before the store replied: it may arrive late."""
CLOSE_LIMIT = 2.0
"""Seconds for the last try."""


@dataclass(slots=True)
class End:
    """The end of a claim; see `Store.finish`."""

    name: bytes
    owner: bytes
    state: State | None
    invitation_id: str | None = None
    confirm: bool = False
    """Whether it must be repeated, because the claim may arrive after it."""
    begin: float = 0.0
    give_up: float = 0.0
    """When to try, and when to stop trying, on the event loop's clock."""


class Unfinished:
    """Tries to end claims until it works, or their lease has ended."""

    def __init__(self, store: Store, lease: float) -> None:
        """`lease` is the length of a lease in seconds."""
        self._store = store
        self._lease = lease
        self._ends: dict[bytes, End] = {}
        """By owner, which is different for each claim."""
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def add(self, end: End) -> None:
        """End a claim soon. Drop it if too many wait."""
        if len(self._ends) >= MAX_ENDS:
            return
        end.begin = _now()
        end.give_up = end.begin + self._lease
        self._ends[end.owner] = end
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def aclose(self) -> None:
        """Try once more to end them all."""
        self._closing = True
        if self._task:
            self._task.cancel()
            # Python 3.11's `asyncio.wait_for`, which redis-py uses, loses a cancellation that comes with its result.
            await asyncio.wait([self._task], timeout=CLOSE_LIMIT)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT):
                await asyncio.gather(*map(self._finish, self._ends.values()))
        self._ends.clear()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while self._ends and not self._closing:
            await asyncio.sleep(pause)
            pause = FIRST_PAUSE if await self._try_all() else min(2 * pause, LAST_PAUSE)

    async def _try_all(self) -> bool:
        """Try each whose time has come, until one fails. Return whether none has."""
        for end in list(self._ends.values()):
            now = _now()
            if self._closing:
                return False
            if now >= end.give_up:
                del self._ends[end.owner]
            elif now >= end.begin:
                worked = await self._finish(end)
                del self._ends[end.owner]  # Not before: if this is cancelled, it must be tried once more.
                if end.confirm or not worked:
                    self._ends[end.owner] = end  # behind the others
                if not worked:
                    return False
                end.confirm, end.begin = False, now + CONFIRM_AFTER
        return True

    async def _finish(self, end: End) -> bool:
        try:
            await self._store.finish(end.name, end.owner, end.state, end.invitation_id)
        except Exception as error:  # noqa: BLE001 (the first failure was logged)
            without_frames(error)
            return False
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
