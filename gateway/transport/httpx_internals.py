"""Everything undocumented that the gateway uses of httpx: subclasses that skip the cost of its constructors.

`tests/libraries/test_httpx.py` shows what breaks when a new version changes them.
"""

from collections.abc import Callable

import httpx

_READ = httpx.ByteStream(b"")


class Request(httpx.Request):
    """An `httpx.Request` whose constructor only stores its arguments: httpx's own takes as long as sending."""

    def __init__(
        self, method: str, url: httpx.URL, fields: list[tuple[bytes, bytes]], body: bytes, extensions: dict[str, object]
    ) -> None:
        self.method = method
        self.url = url
        self.headers = _Headers(fields)
        self.stream = httpx.ByteStream(body)
        self.extensions = extensions


class _Headers(httpx.Headers):
    """`httpx.Headers` that are sent as given, and indexed on first lookup."""

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._fields = fields

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The headers, in order."""
        return self._fields

    def __getattr__(self, name: str) -> object:
        # The first lookup sets what httpx.Headers' constructor would have set.
        super().__init__(self._fields)
        return super().__getattribute__(name)


class Response(httpx.Response):
    """An `httpx.Response` that has been read, and whose headers are built when they are accessed.

    Call `response.extensions["discard"]()` if the response turns out to belong to another request: it closes the
    connection at once, so that no other request uses it. In the event loop iteration in which the transport returned
    the response, this is in time: nothing has been written to the connection since.
    """

    def __init__(
        self, status_code: int, headers: list[tuple[bytes, bytes]], body: bytes, discard: Callable[[], None]
    ) -> None:
        self.status_code = status_code
        self.fields = headers
        self._content = body
        self.extensions = {"discard": discard}
        self.is_closed = self.is_stream_consumed = True
        self.stream = _READ
        self.history = []
        self.default_encoding = "utf-8"
        self._request = self.next_request = None
        self._num_bytes_downloaded = 0

    @property
    def headers(self) -> httpx.Headers:  # type: ignore[override]  # nothing sets them
        """The response's headers."""
        return httpx.Headers(self.fields)
