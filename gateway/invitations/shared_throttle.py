"""Shares which callers are throttled with the other processes that use a Redis or Valkey server.

A process that hears of a throttled caller publishes it; all others hear it within milliseconds, so no request waits for
Redis. Nothing is stored: what a process misses, because it starts later or has lost its connection, it learns from the
next 429 of its own. It needs the extra `redis`.
"""

import asyncio
import json
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from math import ceil
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.invitations.throttle import MAX_CALLERS, MAX_PAUSE, Throttle
from gateway.telemetry import log_bug

CHANNEL = "invitations-gateway:throttled"
SOCKET_LIMIT = 2.0
"""Seconds for a connection, and for a reply."""
QUIET = 5.0
"""Seconds without a message after which the connection is checked, and after which it is lost if there is no reply."""
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
"""Seconds before it connects again: they double from the first to the last."""
HEALTHY = 3.0
"""Seconds after which a subscription has succeeded, if it still receives something."""
CANCEL_EVERY, MAX_CANCELS = 0.1, 50
"""Seconds between two cancellations of a task that is to end, and how many it gets."""
_MESSAGE = re.compile(rb"([0-9a-f]{64}) ([0-9]{1,7})")
"""The name of a caller, and the milliseconds of its pause."""

logger = logging.getLogger("gateway.throttle")


class SharedThrottle:
    """Tells the other processes what a throttle learns, and tells it what they have learned."""

    def __init__(self, url: str, throttle: Throttle) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=2,  # one listens
            timeout=SOCKET_LIMIT,
            socket_timeout=SOCKET_LIMIT,
            socket_connect_timeout=SOCKET_LIMIT,
            protocol=2,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 1),  # for a connection that the server closed while it was idle
        )
        self._redis = Redis.from_pool(pool)  # which it then closes
        self._throttle = throttle
        self._news: dict[bytes, float] = {}
        """Callers to tell of, with the event loop time at which their pause is over."""
        self._has_news = asyncio.Event()
        self._failing: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen and to tell."""
        self._throttle.on_news = self._add
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]

    async def aclose(self) -> None:
        """End it, and close the connections."""
        self._throttle.on_news = None
        await _end(self._tasks)
        closing = [asyncio.create_task(self._close())]
        await asyncio.wait(closing, timeout=SOCKET_LIMIT)
        await _end(closing)

    async def _close(self) -> None:
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    def _add(self, name: bytes, seconds: float) -> None:
        if len(self._news) < MAX_CALLERS:
            self._news[name] = asyncio.get_running_loop().time() + seconds
            self._has_news.set()

    async def _tell(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            news, self._news = self._news, {}
            try:
                for name, until in news.items():
                    await self._publish(name, until)
            except Exception as error:  # noqa: BLE001 (the others learn it from a 429 of their own)
                self._log(error, "publish")

    async def _publish(self, name: bytes, until: float) -> None:
        seconds = min(until - asyncio.get_running_loop().time(), MAX_PAUSE)
        if seconds > 0:
            async with asyncio.timeout(2 * SOCKET_LIMIT):
                await self._redis.publish(CHANNEL, f"{name.hex()} {ceil(seconds * 1000)}")
            self._failing.discard("publish")

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._redis.pubsub() as messages:
                    await messages.subscribe(CHANNEL)
                    healthy = asyncio.get_running_loop().time() + HEALTHY
                    async for message in _messages(messages):
                        self._hear(message)
                        if asyncio.get_running_loop().time() > healthy:
                            pause = FIRST_PAUSE
                            self._failing.discard("subscribe")
                        await asyncio.sleep(0)  # for requests: messages that have arrived come without a pause
            except Exception as error:  # noqa: BLE001 (whatever it is, it must listen again)
                self._log(error, "subscribe")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)

    def _hear(self, message: dict[str, Any]) -> None:
        data = message["data"]
        if message["type"] == "message" and isinstance(data, bytes) and (found := _MESSAGE.fullmatch(data)):
            self._throttle.hear(bytes.fromhex(found[1].decode()), int(found[2]) / 1000)

    def _log(self, error: Exception, step: str) -> None:
        """Log the first failure of a step, and no other until it succeeds again."""
        if step in self._failing:
            return
        self._failing.add(step)
        if isinstance(error, (RedisError, OSError)):  # their texts could have the server's address
            reason = json.dumps(f"Redis {type(error).__name__}")
            logger.warning("store_unavailable=%s step=%s", reason, step)
        else:
            log_bug(logger, error, step=step)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Python 3.11's `asyncio.wait_for`, which redis-py uses, loses a cancellation that comes together with its result.
    """
    left = {task for task in tasks if not task.done()}
    for _ in range(MAX_CANCELS):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_EVERY)


async def _messages(subscription: Any) -> Any:
    """Yield what arrives. Raises TimeoutError if the connection is lost without a notice."""
    asked = False
    while True:
        message = await subscription.get_message(timeout=QUIET)
        if message is not None:
            asked = False
            yield message
        elif asked:
            raise TimeoutError
        else:
            asked = True
            await subscription.ping()
