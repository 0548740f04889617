"""Helpers for tests that drive an httpx transport directly."""

import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from gateway.transport import Transport

Run = Callable[[Coroutine[Any, Any, None]], None]

LOOPS: dict[str, Run] = {"asyncio": asyncio.run}
"""Functions that run a coroutine, by the name of their event loop."""

if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.run

GENEROUS = 30.0
"""Timeout in seconds, generous for a busy machine."""


def new_transport(
    url: str,
    *,
    max_connections: int = 10,
    idle_seconds: float = 60.0,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> Transport:
    """Return a transport for a URL's origin, whose limits no test reaches by accident."""
    return Transport(
        url,
        max_response_bytes=1_000_000,
        max_connections=max_connections,
        idle_seconds=idle_seconds,
        ssl_context=tls,
        proxy=proxy,
    )


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
