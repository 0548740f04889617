"""Real servers for tests: an ASGI app on a free port of 127.0.0.1."""

import asyncio
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
    # uvicorn calls sys.exit() when the app's lifespan fails; the waiting test notices the dead thread
    with suppress(SystemExit):
        server.run(sockets=[listener])


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    wait_until(lambda: server.started or not thread.is_alive(), "the server has started")
    if not server.started:
        raise RuntimeError("the server did not start: did the app's lifespan fail?")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
