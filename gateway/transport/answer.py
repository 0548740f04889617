"""Responses as the transport returns them: already read, and cheap to create."""

from collections.abc import Callable

import httpx

_READ = httpx.ByteStream(b"")


class ResponseTooLarge(httpx.RemoteProtocolError):
    """The response exceeds the limit; the rest of it was not read.

    `response` is the response without its body, or None if its head was incomplete.
    """

    def __init__(self, message: str, response: httpx.Response | None) -> None:
        super().__init__(message)
        self.response = response


class Response(httpx.Response):
    """An `httpx.Response` that has been read, and whose headers are built when they are accessed.

    Call `response.extensions["discard"]()` if the response turns out to belong to another request: it closes the
    connection at once, so that no other request uses it. In the event loop iteration in which the transport returned
    the response, this is in time: nothing has been written to the connection since.
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
        """The response's headers."""
        return httpx.Headers(self.fields)

    @headers.setter
    def headers(self, _: httpx.Headers) -> None:
        """Ignore the empty headers that httpx's constructor sets."""
