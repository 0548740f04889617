"""uvicorn's HTTP/1.1 protocol with a bound on what of a request is kept before anybody can look at it."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536
"""Bytes of a request's line and headers, and of its trailers: more than any client sends, as other servers have it."""


class HttpProtocol(HttpToolsProtocol):
    """Refuses a head that does not end: uvicorn would keep every header that comes.

    What comes in one read counts only from the next one on: it may hold the ends of other requests.
    """

    _unfinished = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The request's line and headers must be {MAX_HEAD} bytes at the most.")

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._unfinished = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which the endpoint bounds."""
        self._unfinished = 0
        super().on_body(body)
