"""What tests need to drive an httpx transport directly."""

import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from gateway.transport import Transport

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS: dict[str, Run] = {"asyncio": asyncio.run}
"""What runs a coroutine on each event loop there is."""

if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.run

GENEROUS = 30.0
"""Seconds that nothing here takes, however busy the machine is."""


def new_transport(
    *,
    max_connections: int = 10,
    idle_seconds: float = 60.0,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> Transport:
    """Return a transport with bounds that no test meets by chance."""
    return Transport(
        max_response_bytes=1_000_000,
        max_connections=max_connections,
        idle_seconds=idle_seconds,
        ssl_context=tls,
        proxy=proxy,
    )


def request_to(  # noqa: PLR0913  (each has a use of its own)
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
    """Return a request as the gateway makes them, with `timeout` seconds for each phase, of which `read` can differ."""
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
