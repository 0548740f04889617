"""The gateway inside this process: ASGI applications receive requests as uvicorn would send them."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from benchmarks.operations import AUTHORIZATION
from starlette.types import ASGIApp, Message, Scope

from gateway.app import create_app
from gateway.settings import Settings


def run_on_its_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on the event loop that serves the gateway."""
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop  # noqa: PLC0415 (not on Windows)

        uvloop.run(main)


def gateway_app(upstream_url: str, log: Path) -> ASGIApp:
    """Return the gateway in front of a REST API, logging to a file."""
    with redirect_stderr(log.open("w", encoding="utf-8")):
        return create_app(Settings(upstream_url=upstream_url))


async def ask(app: ASGIApp, body: bytes) -> bytes:
    """Send a request to an application, and return the body of its response."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(body), receive, send)
    answer: bytes = sent[1]["body"]
    return answer


def _scope(body: bytes) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "POST",
        "root_path": "",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", b"application/json"),
            (b"authorization", AUTHORIZATION.encode()),
            (b"content-length", b"%d" % len(body)),
        ],
        "state": {},
    }
