"""Real servers for tests: an ASGI app on a free port of 127.0.0.1."""

import asyncio
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import uvicorn
from starlette.types import ASGIApp
from support.waiting import wait_until

STOP_LIMIT = 30.0


@contextmanager
def serve_app(app: ASGIApp, *, http: type[asyncio.Protocol] | Literal["auto"] = "auto") -> Iterator[str]:
    """Run the app with uvicorn in a background thread; yield its base URL (`http://127.0.0.1:port`, no slash)."""
    config = uvicorn.Config(
        app, http=http, log_level="critical", access_log=False, ws="none", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=_run, args=(server, listener), daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(STOP_LIMIT)
    if thread.is_alive():
        raise RuntimeError(f"the server did not stop within {STOP_LIMIT} seconds")


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    # uvicorn calls sys.exit() when the app's lifespan fails; the waiting test notices that the thread has died
    with suppress(SystemExit):
        server.run(sockets=[listener])


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    wait_until(lambda: server.started or not thread.is_alive(), "the server has started")
    if not server.started:
        raise RuntimeError("the server did not start: did the app's lifespan fail?")


@contextmanager
def refusing_url() -> Iterator[str]:
    """Reserve a port that refuses connections: it is bound, but nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def free_port() -> int:
    """Return a free port on 127.0.0.1, for programs that cannot choose one themselves."""
    while True:
        # Linux assigns ports from 32768 to connections, and to listeners that ask for any port.
        port = 20_000 + secrets.randbelow(10_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
