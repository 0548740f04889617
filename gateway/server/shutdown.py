"""Shutdown: announced first, and bounded in time."""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """uvicorn's server with a bounded shutdown: on its own, it could wait forever for a client that does not read.

    Worker processes do not need this: once the server is done, the SIGTERM from their supervisor ends them.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down, then abort the connections that are still open."""
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


@contextmanager
def announced_shutdown(announce: Callable[[], None], delay: float) -> Iterator[None]:
    """On SIGTERM, call `announce` at once, and let the server handle the signal `delay` seconds later.

    Further signals have no effect: one may come from the parent process, and another from whoever signals the whole
    process group. Enter it after the server has installed its own handler, for example in a lifespan.
    """
    if threading.current_thread() is not threading.main_thread():  # signals only arrive in the main thread
        yield
        return
    loop = asyncio.get_running_loop()
    server_handler = signal.getsignal(signal.SIGTERM)
    announced = False

    def shut_down(number: int, frame: FrameType | None) -> None:
        if callable(server_handler):
            server_handler(number, frame)

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal announced
        if not announced:
            announced = True
            announce()
            loop.call_soon_threadsafe(loop.call_later, delay, shut_down, number, frame)

    signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, server_handler)
