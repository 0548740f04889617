"""One HTTP/1.1 connection: writes a request's bytes, and returns a complete response.

asyncio passes the socket's bytes straight to httptools (llhttp, the parser of Node.js) in its strict mode: bare line
feeds, folded headers, duplicate or conflicting `Content-Length`, and `Content-Length` together with `Transfer-Encoding`
are errors. This module follows RFC 9112 on which responses have a body and where it ends (section 6.3), RFC 9110 on
interim responses (section 15.2), and RFC 9112 on when a connection can be reused (section 9.3).
"""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import httpx

from gateway.lazy_timer import LazyTimer
from gateway.transport.answer import Received, ResponseTooLarge
from gateway.transport.httpx_internals import Response
from gateway.transport.keep_alive import idle_seconds
from gateway.transport.patience import MAX_LATE_TURNS, TURNS
from gateway.transport.sockets import all_arrived, readability
from gateway.transport.tls import Sessions

MAX_SMALL_REQUEST = 16_384
"""Maximum bytes of a request that a server reads together with its head, even if it rejects that head."""
MAX_HEAD_BYTES = 65_536
"""Maximum bytes of a response's status line and headers; servers and proxies usually allow 8 to 64 KiB."""


class Connection(asyncio.Protocol):
    """A connection to one origin, for one exchange at a time.

    `reusable` is False during an exchange, and for good once the connection is closed, about to close, or has received
    bytes that were not requested. `idle_until` and `expires` (event loop times) belong to the pool.
    """

    def __init__(
        self,
        *,
        sessions: Sessions | None,
        all_received: Received,
        idle_seconds: float,
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """Create a connection for asyncio to open. `sessions` stores its TLS session, and is None without TLS."""
        self.idle_seconds = idle_seconds
        """Maximum idle time in seconds, unless the server sends another in a `Keep-Alive` header."""
        self.idle_until = 0.0
        self.expires = 0.0
        self.reusable = False
        self._tls = sessions is not None
        self._sessions = sessions
        """Stores the TLS session once, after the first response."""
        self._all_received = all_received
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self.is_readable: Callable[[], bool]
        """Return whether the kernel has something to read."""
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._limit = LazyTimer(self._loop, self._time_is_up)
        self._expects_body = True
        self._is_small = True
        self._may_be_kept = True
        self._head_complete = False
        self._encoded = False
        self._received = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def exchange(self, request: bytes, until: float | None, *, expects_body: bool) -> asyncio.Future[httpx.Response]:
        """Write a request and return a future for its complete response.

        From here on the request counts as sent. `until` is the event loop time by which the response's last byte must
        have arrived, read or not; `expects_body` is False for HEAD. The future fails with `httpx.ReadTimeout`,
        `httpx.ReadError` (connection lost before the response was complete), `httpx.RemoteProtocolError` (not HTTP/1)
        or `ResponseTooLarge`. A caller that stops waiting must `abort()` the connection.
        """
        self._answer = answer = self._loop.create_future()
        self.reusable = False
        self._expects_body = expects_body
        self._is_small = len(request) <= MAX_SMALL_REQUEST
        self._head_complete = False
        if until is not None:
            self._late_turns = MAX_LATE_TURNS
            self._limit.set(until)
        self._transport.write(request)
        return answer

    def is_alive(self) -> bool:
        """Return whether an idle connection can take a request, asking the kernel as well as the event loop.

        Anything readable on an idle connection, its end or unrequested bytes, makes it unusable, and the event loop may
        not have noticed yet.
        """
        return self.reusable and not self._transport.is_closing() and not self.is_readable()

    async def is_silent(self) -> bool:
        """Return the same after the event loop has read TLS's own bytes, such as session tickets."""
        for _ in range(TURNS):
            if self.is_alive() or not self.reusable:
                return self.reusable  # without asking again: a session ticket may have arrived since
            await asyncio.sleep(0)
        return self.is_alive()

    def abort(self) -> None:
        """Close the connection at once, discarding what is not yet written."""
        self.reusable = False
        self._transport.abort()

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set up the parser."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self.is_readable = readability(self._descriptor)
        self.reusable = True

    def data_received(self, data: bytes) -> None:
        """Parse part of the response."""
        if self._answer is None:
            self.abort()
            return
        self._received += len(data)
        self._all_received.total += len(data)
        if self._received > self._all_received.max_response_bytes:
            self._fail_as_too_large("The response is larger", self._all_received.max_response_bytes)
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"The response is not HTTP/1: {error}"))
        if not self._head_complete and self._received > MAX_HEAD_BYTES:
            self._fail_as_too_large("The response's head is larger", MAX_HEAD_BYTES)
        elif self._all_received.total > Received.MAX_TOTAL and self._answer is not None:
            self._fail_as_too_large("All responses being received are larger", Received.MAX_TOTAL)

    def eof_received(self) -> None:
        """Treat the end of the connection as the end of the body where that is how it is framed.

        Not over TLS: asyncio cannot tell close_notify from truncation.
        """
        is_framed = any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self._headers)
        if self._answer is not None and self._head_complete and not self._tls and not is_framed:
            self._settle(self._response(self._parser.get_status_code()))
        self.reusable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange in progress."""
        self.reusable = False
        self._settle(httpx.ReadError(f"The connection was lost before the response was complete: {exc or 'closed'}"))
        self._limit.close()
        del self._parser  # it holds bound methods of this object: a reference cycle
        self._on_lost(self)

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Start a response; one that follows the complete response makes the connection unusable."""
        self._headers = []
        self._encoded = False
        if self._answer is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header, but not a trailer."""
        if not self._head_complete:
            self._headers.append((name, value))
            field = name.lower()
            self._encoded |= field == b"content-encoding"
            if field == b"keep-alive" and (seconds := idle_seconds(value)) is not None:
                self.idle_seconds = seconds
                self._may_be_kept = self._may_be_kept and seconds >= 0

    def on_headers_complete(self) -> None:
        """Skip the head of an interim response; reject a bad head; finish a response to HEAD."""
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        self._head_complete = True
        if status < 200:
            self._fail(httpx.RemoteProtocolError(f"The response has the unexpected status {status}."))
        elif self._received > MAX_HEAD_BYTES and sum(len(n) + len(v) + 4 for n, v in self._headers) > MAX_HEAD_BYTES:
            self._fail_as_too_large("The response's head is larger", MAX_HEAD_BYTES)
        elif not self._expects_body:
            self._settle(Response(status, self._headers, b"", self.abort))  # not reusable: the parser waits for a body

    def on_body(self, body: bytes) -> None:
        """Store part of the body. An interim response has none, whatever its head says (RFC 9110, section 15.2)."""
        if self._head_complete:
            self._body.append(body)
        else:
            self._may_be_kept = False

    def on_message_complete(self) -> None:
        """Deliver the response, unless it is interim."""
        if self._answer is not None and self._head_complete:
            status = self._parser.get_status_code()
            if self._sessions is not None:
                self._sessions.keep(self._transport.get_extra_info("ssl_object"))
                self._sessions = None
            # A request still being written would run into the next one, which could also wait behind a body that the
            # server refuses to read. A 408 may be about the time before the request.
            self.reusable = (
                self._may_be_kept
                and status != 408
                and (self._is_small or (status < 300 and all_arrived(self._descriptor)))
                and self._parser.should_keep_alive()
                and not self._transport.get_write_buffer_size()
            )
            self._settle(self._response(status))

    # Ending an exchange.

    def _response(self, status: int) -> httpx.Response:
        body = b"".join(self._body)
        if self._encoded:  # httpx decodes it on reading
            stream = httpx.ByteStream(body)
            return httpx.Response(status, headers=self._headers, stream=stream, extensions={"discard": self.abort})
        return Response(status, self._headers, body, self.abort)

    def _time_is_up(self) -> None:
        if self._late_turns and self.is_readable():  # in time, perhaps
            self._late_turns -= 1
            self._limit.set(self._loop.time())
        else:
            self._fail(httpx.ReadTimeout("The response was not complete in time."))

    def _fail(self, error: httpx.TransportError) -> None:
        self._settle(error)
        self.abort()

    def _fail_as_too_large(self, what: str, limit: int) -> None:
        head = Response(self._parser.get_status_code(), self._headers, b"", self.abort) if self._head_complete else None
        self._fail(ResponseTooLarge(f"{what} than {limit} bytes.", head))

    def _settle(self, result: httpx.Response | httpx.TransportError) -> None:
        answer, self._answer = self._answer, None
        self._limit.unset()
        self._all_received.total -= self._received
        self._received, self._body = 0, []
        if answer is None or answer.done():
            return
        if isinstance(result, httpx.Response):
            answer.set_result(result)
        else:
            answer.set_exception(result)
