"""One HTTP/1.1 connection: a request's bytes go out, a whole answer comes back.

`asyncio` hands the bytes of the socket straight to `httptools` (llhttp, the parser of Node.js), in its strict mode:
bare line feeds, folded headers, doubled or conflicting `Content-Length` and `Content-Length` together with
`Transfer-Encoding` are no HTTP. What follows RFC 9112: which answers have a body and where it ends (6.3), interim
answers (9110, 15.2), and when a connection may be used again (9.3).
"""

import asyncio
from collections.abc import Callable
from typing import TypeAlias, cast

import httptools
import httpx

from gateway.transport.answer import Response, ResponseTooLarge
from gateway.transport.sockets import all_arrived, readability

MAX_SMALL_REQUEST = 16_384
"""Bytes that a server has read with the head of a request, even if it refuses it by the head alone."""

MAX_LATE_TURNS = 100
"""Turns of the event loop, after a stall, to read what the kernel has: megabytes, at least 64 KiB in a turn."""

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

MAX_HEAD_BYTES = 65_536
"""Of an answer's status line and headers; servers and proxies usually allow 8 to 64 KiB."""


class Connection(asyncio.Protocol):
    """A connection to one origin, for one exchange at a time.

    `reusable` is false while an exchange is under way, and for good when the connection can take no other: it was
    closed, is about to be, or had bytes on it that nobody asked for. `idle_until` (the loop's time) is the pool's.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        max_response_bytes: int,
        on_lost: Callable[["Connection"], None],
    ) -> None:
        self.origin = origin
        self.reusable = False
        self.idle_until = 0.0
        self._max_response_bytes = max_response_bytes
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._descriptor: int
        self._parser: httptools.HttpResponseParser
        self.is_readable: Callable[[], bool]
        """Tells whether the kernel has something to read."""
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._timer: asyncio.Handle | None = None
        self._expects_body = True
        self._is_small = True
        self._may_be_kept = True
        self._head_complete = False
        self._encoded = False
        self._received = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def exchange(self, request: bytes, until: float | None, *, expects_body: bool) -> asyncio.Future[httpx.Response]:
        """Write a request; the future becomes its answer, with its whole body.

        `until` is the loop's time at which the last byte of the answer has to be here, be it unread; `expects_body` is
        false for HEAD. From here on the request counts as sent. The future fails with `httpx.ReadTimeout`;
        `httpx.ReadError` when the connection was lost before the answer was whole; `httpx.RemoteProtocolError` when the
        answer is not HTTP/1; `ResponseTooLarge`. Whoever stops waiting for it must `abort()` the connection.
        """
        self._answer = answer = self._loop.create_future()
        self.reusable = False
        self._expects_body = expects_body
        self._is_small = len(request) <= MAX_SMALL_REQUEST
        self._head_complete = False
        self._received = 0
        self._body = []
        if until is not None:
            self._timer = self._loop.call_at(until, self._time_is_up, MAX_LATE_TURNS)
        self._transport.write(request)
        return answer

    def is_alive(self) -> bool:
        """Tell whether an idle connection can take a request: by what the kernel knows, not only the event loop.

        Whatever there is to read on an idle connection, its end or unasked bytes, makes it useless, and the loop may
        not have come round to seeing it.
        """
        if not self.reusable or self._transport.is_closing() or self._loop.time() >= self.idle_until:
            return False
        return not self.is_readable()

    def abort(self) -> None:
        """Close the connection at once, without waiting for anything that is still to be written."""
        self.reusable = False
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._descriptor = transport.get_extra_info("socket").fileno()
        self.is_readable = readability(self._descriptor)
        self.reusable = True

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer."""
        if self._answer is None:
            self.abort()
            return
        self._received += len(data)
        if self._received > self._max_response_bytes:
            self._fail_as_too_large(f"The answer is larger than {self._max_response_bytes} bytes.")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"The answer is not HTTP/1: {error}"))
        if not self._head_complete and self._received > MAX_HEAD_BYTES:
            self._fail_as_too_large(f"The answer's head is larger than {MAX_HEAD_BYTES} bytes.")

    def eof_received(self) -> None:
        """Take the end of the connection as the end of the body where that is how it is framed.

        Not over TLS: asyncio does not tell an end that the server signed from one that anybody on the way can make.
        """
        if self._answer is not None and self._head_complete and self.origin[0] == "http" and not self._is_framed():
            self._settle(self._response(self._parser.get_status_code()))
        self.reusable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        self.reusable = False
        self._settle(httpx.ReadError(f"The connection was lost before the answer was whole: {exc or 'closed'}"))
        del self._parser  # it holds methods of this object: a cycle
        self._on_lost(self)

    # What httptools calls.

    def on_message_begin(self) -> None:
        """Begin an answer; one that follows the whole answer makes the connection useless."""
        self._headers = []
        self._encoded = False
        if self._answer is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, unless it is a trailer."""
        if not self._head_complete:
            self._headers.append((name, value))
            if len(name) == len(b"content-encoding") and name.lower() == b"content-encoding":
                self._encoded = True

    def on_headers_complete(self) -> None:
        """Decide what the head alone can decide."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        self._head_complete = True
        if status < 200:
            self._fail(httpx.RemoteProtocolError(f"The answer has the status {status}, which nobody asked for."))
        elif self._received > MAX_HEAD_BYTES and sum(len(n) + len(v) + 4 for n, v in self._headers) > MAX_HEAD_BYTES:
            self._fail_as_too_large(f"The answer's head is larger than {MAX_HEAD_BYTES} bytes.")
        elif not self._expects_body:
            self._settle(Response(status, self._headers, b"", self.abort))  # not reusable: the parser waits for a body

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body; an interim answer has none, whatever its head says (RFC 9110, section 15.2)."""
        if self._head_complete:
            self._body.append(body)
        else:
            self._may_be_kept = False

    def on_message_complete(self) -> None:
        """Hand over the answer, unless it is an interim one."""
        if self._answer is not None and self._head_complete:
            status = self._parser.get_status_code()
            # A request that is still being written would run into the next one, and the next one would wait behind
            # a body that the server refused to read.
            self.reusable = (
                self._may_be_kept
                and (self._is_small or (status < 300 and all_arrived(self._descriptor)))
                and self._parser.should_keep_alive()
                and not self._transport.get_write_buffer_size()
            )
            self._settle(self._response(status))

    # Ends of an exchange.

    def _response(self, status: int) -> httpx.Response:
        body = b"".join(self._body)
        if self._encoded:  # httpx decodes it when it is read
            stream = httpx.ByteStream(body)
            return httpx.Response(status, headers=self._headers, stream=stream, extensions={"discard": self.abort})
        return Response(status, self._headers, body, self.abort)

    def _is_framed(self) -> bool:
        return any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self._headers)

    def _time_is_up(self, turns: int) -> None:
        if turns and self.is_readable():
            self._timer = self._loop.call_soon(self._time_is_up, turns - 1)
            return
        self._fail(httpx.ReadTimeout("The answer was not whole when the time was up."))

    def _fail(self, error: httpx.TransportError) -> None:
        self._settle(error)
        self.abort()

    def _fail_as_too_large(self, message: str) -> None:
        head = Response(self._parser.get_status_code(), self._headers, b"", self.abort) if self._head_complete else None
        self._fail(ResponseTooLarge(message, head))

    def _settle(self, result: httpx.Response | httpx.TransportError) -> None:
        answer, self._answer = self._answer, None
        if self._timer is not None:
            self._timer.cancel()
        if answer is None or answer.done():
            return
        if isinstance(result, httpx.Response):
            answer.set_result(result)
        else:
            answer.set_exception(result)
