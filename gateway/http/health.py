"""Health: does the process live, and does it want requests? Asked by supervisors and load balancers."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Health:
    """`/healthz` is 200 while the process lives; `/readyz` is 503 from the SIGTERM on. Neither calls the REST API."""

    def __init__(self, shutdown_delay: float) -> None:
        """Take the seconds from the SIGTERM, with which `/readyz` turns red, until the server stops listening."""
        self._shutdown_delay = shutdown_delay
        self._ready = True

    def routes(self) -> list[Route]:
        """Return the two routes."""
        return [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]

    @contextmanager
    def announcing_shutdown(self) -> Iterator[None]:
        """Put the delay in front of what the server does on SIGTERM; further ones change nothing.

        To be entered when the server has installed its own handler, as in a lifespan.
        """
        if threading.current_thread() is not threading.main_thread():  # no signal arrives here
            yield
            return
        loop = asyncio.get_running_loop()
        server_handler = signal.getsignal(signal.SIGTERM)

        def leave(number: int, frame: FrameType | None) -> None:
            if callable(server_handler):
                server_handler(number, frame)

        def announce(number: int, frame: FrameType | None) -> None:
            if self._ready:  # else it came again: from the parent process, and from whoever signals the whole group
                self._ready = False
                loop.call_soon_threadsafe(loop.call_later, self._shutdown_delay, leave, number, frame)

        signal.signal(signal.SIGTERM, announce)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, server_handler)

    async def _healthz(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("ready\n") if self._ready else PlainTextResponse("leaving\n", 503)
