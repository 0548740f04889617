"""Scripts for everything that can go wrong between a request and its response, by name."""

import time
from collections.abc import Callable

from support.scripted_upstream import Script, UpstreamConnection, answer, answering


def sending(*parts: bytes, pause: float = 0.0) -> Script:
    """Return a script that reads one request, sends each part after a pause (seconds), and closes."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        for part in parts:
            time.sleep(pause)
            connection.send(part)

    return script


def sending_then(then: Callable[[UpstreamConnection], None], *parts: bytes) -> Script:
    """Return a script that reads one request, sends these parts, and ends with `then`."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        for part in parts:
            connection.send(part)
        then(connection)

    return script


def dripping(data: bytes, *, every: float) -> Script:
    """Return a script that reads one request, then sends the response one byte at a time, `every` seconds apart."""
    return sending(*(data[i : i + 1] for i in range(len(data))), pause=every)


def _endless(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(1000):
        connection.send(b"x" * 100_000)


def _close_unread(connection: UpstreamConnection) -> None:
    connection.close()


LOST: dict[str, Script] = {
    "closes after reading the request": sending(),
    "resets after reading the request": sending_then(UpstreamConnection.reset),
    "closes in the status line": sending(b"HTTP/1.1 20"),
    "closes in a header": sending(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "closes after the head": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    "closes in the body": sending(b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"id"'),
    "closes in a chunk": sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}"),
    "closes before the last chunk": sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "closes after an interim answer": sending(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "resets in a header": sending_then(UpstreamConnection.reset, b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "resets in the body": sending_then(
        UpstreamConnection.reset, b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"id"'
    ),
}
"""The request is read, but the connection is lost before the response is complete."""

HANGING: dict[str, Script] = {
    "never reads": lambda connection: connection.wait_until_client_closes(),
    "reads and hangs": sending_then(UpstreamConnection.wait_until_client_closes),
    "hangs in the status line": sending_then(UpstreamConnection.wait_until_client_closes, b"HTTP/1.1 20"),
    "hangs in the body": sending_then(
        UpstreamConnection.wait_until_client_closes, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"
    ),
    "stops between chunks": sending_then(
        UpstreamConnection.wait_until_client_closes,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ),
}
"""The request may be read, but the complete response never arrives."""

NOT_HTTP: dict[str, Script] = {
    "garbage": sending_then(UpstreamConnection.wait_until_client_closes, bytes(range(256)) * 4),
    "another protocol": sending_then(UpstreamConnection.wait_until_client_closes, b"220 mail.test ESMTP ready\r\n"),
    "HTML without a head": sending_then(
        UpstreamConnection.wait_until_client_closes, b"<html><body>Bad Gateway</body></html>\r\n\r\n"
    ),
    "a bad chunk size": sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "a Content-Length that is no number": sending(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}"),
    "two Content-Lengths": sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"),
    "a NUL in a header": sending(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}"),
}
"""The request is read, but the response is not HTTP/1."""

FAULTS: dict[str, Script] = {
    **LOST,
    **HANGING,
    **NOT_HTTP,
    "closes without reading": _close_unread,
    "resets without reading": UpstreamConnection.reset,
    "100 MB": _endless,
    "HTML": answering(answer(502, b"<html>Bad Gateway</html>", content_type=b"text/html")),
    "a redirect": answering(answer(307, b"", b"Location: https://evil.test/linkedIn/invitations")),
    "drips": dripping(answer(200, b"x" * 100), every=0.02),
}
"""Every fault by name. `HANGING` and `drips` need a timeout."""
