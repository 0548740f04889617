"""An answer as the transport hands it over: read, and cheap to make."""

from collections.abc import Callable

import httpx

_READ = httpx.ByteStream(b"")


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The answer is larger than the limit; the rest of it was not read.

    `response` is the answer without its body, or None when its head was not complete.
    """

    def __init__(self, message: str, response: httpx.Response | None) -> None:
        super().__init__(message)
        self.response = response


class Response(httpx.Response):
    """An `httpx.Response` that has been read, and whose headers are made when somebody looks at them.

    Call `response.extensions["discard"]()` when the answer turns out to belong to another request: it closes the
    connection at once, so that no other request uses it. In the event loop's turn in which the transport returned
    the answer, nothing has been written to the connection since.
    """

    def __init__(
        self, status_code: int, headers: list[tuple[bytes, bytes]], body: bytes, discard: Callable[[], None]
    ) -> None:
        super().__init__(status_code, stream=_READ)
        self.fields = headers
        self._content = body
        self.extensions = {"discard": discard}
        self.is_closed = self.is_stream_consumed = True

    @property
    def headers(self) -> httpx.Headers:
        """The answer's headers."""
        return httpx.Headers(self.fields)

    @headers.setter
    def headers(self, _: httpx.Headers) -> None:
        """Ignore the empty ones that httpx's constructor sets."""
