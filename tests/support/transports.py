"""Helpers for tests that drive an httpx transport directly."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS: dict[str, Run] = {"asyncio": asyncio.run}
"""Functions that run a coroutine, by the name of their event loop."""

if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.run

GENEROUS = 30.0
"""Timeout in seconds, generous for a busy machine."""


def request_to(  # noqa: PLR0913  (each one is used)
    url: str,
    *,
    method: str = "POST",
    target: str = "/v1.0/linkedIn/invitations",
    body: bytes = b'{"message":{}}',
    timeout: float | None = GENEROUS,
    read: float | None = None,
    headers: dict[str, str] | None = None,
    **extensions: object,
) -> httpx.Request:
    """Return a request like the gateway's, with `timeout` seconds for each phase; `read` can differ."""
    origin = httpx.URL(url)
    fields = {"Host": origin.netloc.decode(), "Content-Length": str(len(body)), **(headers or {})}
    limits = {**dict.fromkeys(("pool", "connect", "write"), timeout), "read": timeout if read is None else read}
    return httpx.Request(
        method,
        origin,
        headers=fields,
        stream=httpx.ByteStream(body),
        extensions={"target": target.encode(), "timeout": limits, **extensions},
    )


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(GENEROUS):
        while not condition():  # noqa: ASYNC110  (threads and sockets have no event to await)
            await asyncio.sleep(0.005)
