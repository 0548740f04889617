"""uvicorn's HTTP/1.1 protocol with timeouts: no client can hold a connection by doing nothing."""

import asyncio
from typing import ClassVar

from gateway.lazy_timer import LazyTimer
from gateway.server.uvicorn_internals import HttpToolsProtocol

MIN_WRITTEN = 65_536
"""Minimum bytes of a large response that a client must read in each `WRITE_TIME`: 2 KB/s."""


class DeadlineProtocol(HttpToolsProtocol):
    """Limits the time for a request that arrives in parts, and for a response that is not read.

    A request that arrives in one read costs no timer, nor does a response that the kernel takes at once.
    """

    REQUEST_TIME: ClassVar[float] = 30.0
    """Seconds from a request's first byte to its last: enough for a megabyte at 35 KB/s."""
    WRITE_TIME: ClassVar[float] = 30.0
    """Seconds in which a client must read some of its response."""

    _request_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _unwritten = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(transport)
        self._idle = LazyTimer(self.loop, self.close)  # whether or not its client has read the last response
        self.limit_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timeouts."""
        super().connection_lost(exc)
        self.unlimit_request()
        self._stop_watching()
        self._idle.close()

    def pause_writing(self) -> None:
        """Wait for the client to read, with a timeout."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Resume writing, and cancel the timeout."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_watching()

    def start_keep_alive(self) -> None:
        """Start the timeout for the next request."""
        self._idle.set(self.loop.time() + self.timeout_keep_alive)

    def stop_keep_alive(self) -> None:
        """Cancel the timeout of an idle connection."""
        self._idle.unset()

    @property
    def is_kept_alive(self) -> bool:
        """Whether the connection waits for the next request."""
        return self._idle.is_set

    def limit_request(self) -> None:
        """Start the request timeout, unless it is already running."""
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(self.REQUEST_TIME, self._end_request)

    def unlimit_request(self) -> None:
        """Cancel the request timeout: the request is complete."""
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def request_is_late(self) -> None:
        """Reject a request that did not arrive in time."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection once everything is written."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._watch_writing()

    def _end_request(self) -> None:
        self._request_timer = None
        self.request_is_late()

    def _watch_writing(self) -> None:
        if self._write_timer is None:
            self._unwritten = self.transport.get_write_buffer_size()
            self._write_timer = self.loop.call_later(self.WRITE_TIME, self._check_writing)

    def _stop_watching(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _check_writing(self) -> None:
        self._write_timer = None
        left = self.transport.get_write_buffer_size()
        if left > max(0, self._unwritten - MIN_WRITTEN):
            self.transport.abort()
        elif left:
            self._watch_writing()
