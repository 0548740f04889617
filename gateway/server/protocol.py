"""HTTP/1.1 to clients, one request at a time.

httptools cannot stop between two requests, so it is only fed up to where a request can end: an empty line, or the last
byte of a body with a Content-Length. Bytes after a complete request stay unparsed, and reading stays paused, until
that request is answered. So at most one read of bytes waits per client, and none of it affects an earlier response.
"""

import asyncio
from http import HTTPStatus

import httptools

from gateway.http.request import HANG_UP
from gateway.server.cycle import Cycle
from gateway.server.deadlines import DeadlineProtocol
from gateway.server.head import BadHead, check_head
from gateway.server.pieces import Pieces
from gateway.server.uvicorn_internals import FlowControl

MAX_HEAD = 65_536
"""Maximum bytes of a request's line and headers, and of its trailers; other servers allow 8 to 64 KiB."""

MAX_HEADERS = 200
"""Maximum number of headers of a request: each takes ten times its bytes in memory."""
MAX_PIECES = 64
"""Maximum number of pieces parsed before other connections get their turn."""

# Each is raised as a new exception: the traceback of a shared one would grow, and keep the connections in it.
_TOO_LARGE = 400, f"The request line and headers must be at most {MAX_HEAD} bytes."
_TOO_MANY = 431, f"A request must have at most {MAX_HEADERS} headers."
_NO_HTTP = 400, "Invalid HTTP request received."


class _Flow(FlowControl):
    """Keeps reading paused while bytes are unparsed: an application that waits for a body would resume it."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class HttpProtocol(DeadlineProtocol):
    """Serves one client connection."""

    cycle_class = Cycle
    flow: _Flow
    _unfinished = 0
    """Bytes parsed since the request began, or since the last part of its body."""
    _whole = True
    """Whether the parser is between two requests."""
    _in_body = False
    _is_scheduled = False
    """Whether `_parse` will be called in a later iteration of the event loop."""
    _own_headers = 0
    """Number of headers that are not trailers."""

    # Called by asyncio.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set up the connection's flow control and unparsed bytes."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._pieces = Pieces()

    def data_received(self, data: bytes) -> None:
        """Parse the data, up to the end of a request."""
        self._pieces.add(data)
        self._parse()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Finish the response in progress, then close."""
        if self._is_answering():
            self.cycle.keep_alive = False
            self.cycle.scope[HANG_UP] = self._hang_up  # type: ignore[literal-required]
            self.cycle.message_event.set()
        else:
            self.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Discard the unparsed bytes."""
        super().connection_lost(exc)
        self._pieces.drop()
        # They refer to this object: a reference cycle.
        self.cycle = self.scope = None  # type: ignore[assignment]

    # Called by httptools.

    def on_message_begin(self) -> None:
        """Start a request."""
        if not self._whole or self._is_answering():
            raise BadHead(*_NO_HTTP)  # httptools found two requests in a piece: answer the first
        self._whole = False
        self.stop_keep_alive()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check the head, and start to serve the request."""
        if len(self.headers) > MAX_HEADERS:
            raise BadHead(*_TOO_MANY)
        upgrade = bool(self.parser.should_upgrade())
        self._pieces.body_to_come = check_head(self.parser.get_http_version(), self.headers, upgrade=upgrade)
        super().on_headers_complete()
        self._in_body = True
        self._own_headers = len(self.headers)

    def on_body(self, body: bytes) -> None:
        """Pass on part of a body; the application limits its size."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._drop_trailers()
        self._whole, self._in_body, self._unfinished = True, False, 0
        self.unlimit_request()
        super().on_message_complete()
        if self.cycle.response_complete:  # it was rejected before its body arrived
            self.start_keep_alive()

    # Called by uvicorn.

    def on_response_complete(self) -> None:
        """Continue with the unparsed bytes, in a later iteration so that other connections get their turn."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self.close()
            return
        self.flow.resume_reading()
        self.start_keep_alive()
        if self._pieces:
            self._go_on_later()

    # Parsing.

    def _is_answering(self) -> bool:
        return self._whole and self.cycle is not None and not self.cycle.response_complete

    def _go_on_later(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_scheduled = False
        if self.parser is not None:  # the connection is still open
            self._parse()

    def _parse(self) -> None:
        """Parse up to the end of a request that has to be answered, and keep the rest."""
        self.stop_keep_alive()
        pieces = MAX_PIECES
        try:
            while self._pieces and not (self._whole and self._is_answering()):
                if not pieces:
                    self._go_on_later()
                    break
                pieces -= 1
                self._feed(self._pieces.take(between_requests=self._whole, in_body=self._in_body))
        except BadHead as refusal:
            self._refuse(refusal)
        if self.transport.is_closing():
            self._pieces.drop()
            return
        self._hold()
        if not self._is_answering() and not self.is_kept_alive:
            self.limit_request()

    def _feed(self, piece: bytes) -> None:
        """Parse a piece. Raises BadHead."""
        self._unfinished += len(piece)
        if self._unfinished > MAX_HEAD and not self._in_body:
            raise BadHead(*_TOO_LARGE)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # the client offers an upgrade, which is ignored
        except httptools.HttpParserError as error:
            raise (error.__context__ if isinstance(error.__context__, BadHead) else BadHead(*_NO_HTTP)) from None
        if self._in_body:
            self._drop_trailers()
        if self._unfinished > MAX_HEAD:
            raise BadHead(*_TOO_LARGE)
        if not self._whole and len(self.headers) > MAX_HEADERS:
            raise BadHead(*_TOO_MANY)

    def _drop_trailers(self) -> None:
        """Drop a body's trailers, which uvicorn would pass to the application as headers."""
        if len(self.headers) > self._own_headers:
            del self.headers[self._own_headers :]

    def _hold(self) -> None:
        """Pause reading while there are unparsed bytes."""
        if self._pieces:
            self.flow.held = True
            self.flow.pause_reading()
            return
        self._pieces.drop()
        if self.flow.held:
            self.flow.held = False
            self.flow.resume_reading()

    # Closing.

    def request_is_late(self) -> None:
        """Reject a request that did not arrive in time; close without a response if nothing arrived."""
        if self._whole:
            self.close()
        else:
            self._refuse(BadHead(408, f"A request must be sent within {self.REQUEST_TIME:g} seconds."))

    def _refuse(self, refusal: BadHead) -> None:
        """Answer an invalid request, and close."""
        self._pieces.drop()
        if self._is_answering():  # the previous request: close after its response
            self.cycle.keep_alive = False
            return
        if self.headers:  # None before the first request
            self.headers.clear()
        if self._in_body:
            if self.cycle.response_complete:
                self.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        content = refusal.message.encode("ascii")
        lines = (
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(content)}",
            "connection: close",
        )
        self.transport.write("\r\n".join((*lines, "", "")).encode("ascii") + content)
        self.close()

    def _hang_up(self) -> None:
        """Close without a response."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.close()
