r"""An upstream of raw sockets that does exactly what a script says, right or wrong, and counts what reached it.

    with ScriptedUpstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        httpx.get(upstream.url)
        assert upstream.requests == [b"GET / HTTP/1.1\r\n..."]

A script is a function that is called in a thread of its own for each connection that was accepted. When it returns
the connection is closed. `FAULTS` are scripts for everything that can go wrong, by name.
"""

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Self

Script = Callable[["UpstreamConnection"], None]


class UpstreamConnection:
    """The upstream's end of a connection."""

    def __init__(self, upstream: "ScriptedUpstream", sock: socket.socket, number: int) -> None:
        self.number = number
        """The how manieth connection this is, from 0."""
        self._upstream = upstream
        self._socket = sock
        self._buffer = b""

    def read_request(self) -> bytes | None:
        """Read and record one whole request, head and counted body; None when the client has closed."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not self._receive():
                return None
        length = re.search(rb"\r\ncontent-length: *(\d+)", self._buffer[: end + 2], re.IGNORECASE)
        size = end + 4 + (int(length[1]) if length else 0)
        while len(self._buffer) < size:
            if not self._receive():
                return None
        request, self._buffer = self._buffer[:size], self._buffer[size:]
        self._upstream.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def end(self) -> None:
        """Send what ends the connection, but keep it open: nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def wait_until_client_closes(self) -> None:
        """Hang, reading and forgetting whatever comes, until the client has closed the connection."""
        while self._receive():
            self._buffer = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(self._socket, server_side=True)

    def _receive(self) -> bool:
        data = self._socket.recv(65_536)
        self._buffer += data
        self._upstream.bytes_received += len(data)
        return bool(data)


class ScriptedUpstream:
    """Serves a script on a free port of 127.0.0.1, with TLS when a context is given."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        """Every request that was read whole, in order."""
        self.bytes_received = 0
        """Of whatever reached a script, whole requests or not."""
        self.accepted = 0
        """How many connections were accepted."""
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._accepting = threading.Thread(target=self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections have a script that is still running."""
        return len(self._threads)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, self.accepted))
            self.accepted += 1
            self._threads.add(thread)
            self._sockets.add(sock)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        connection = UpstreamConnection(self, sock, number)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection.start_tls(self._tls)
            self.script(connection)
        except OSError:
            pass  # the client left, or the test is over
        finally:
            connection.close()
            sock.close()
            self._sockets.discard(sock)
            self._threads.discard(threading.current_thread())


def answer(status: int = 200, body: bytes = b"{}", *headers: bytes, content_type: bytes = b"application/json") -> bytes:
    """Return a well-formed answer."""
    lines = [
        b"HTTP/1.1 %d Scripted" % status,
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def json_answer(status: int, value: object, *headers: bytes) -> bytes:
    """Return a well-formed answer whose body is JSON."""
    return answer(status, json.dumps(value).encode(), *headers)


def answering(*answers: bytes) -> Script:
    """Answer each request of a connection with the next of these, the last one for ever."""

    def script(connection: UpstreamConnection) -> None:
        number = 0
        while connection.read_request() is not None:
            connection.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def sending(*parts: bytes, pause: float = 0.0) -> Script:
    """Read one request, send these bytes as they are, with a pause (seconds) before each, and close."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        for part in parts:
            time.sleep(pause)
            connection.send(part)

    return script


def sending_then(then: Callable[[UpstreamConnection], None], *parts: bytes) -> Script:
    """Read one request, send these bytes, and end with `then`."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        for part in parts:
            connection.send(part)
        then(connection)

    return script


def dripping(data: bytes, *, every: float) -> Script:
    """Read one request, then send the answer byte by byte, one in so many seconds."""
    return sending(*(data[i : i + 1] for i in range(len(data))), pause=every)


def dying_while_idle(then: Callable[[UpstreamConnection], None]) -> Script:
    """Answer one request of each connection as if it were to be kept, and end it at once."""
    return sending_then(then, answer())


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
"""The request was read; the connection is lost before the answer is whole."""

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
"""The request may have been read; the whole answer never comes."""

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
"""The request was read; what comes back is not HTTP/1."""

FAULTS: dict[str, Script] = {
    **LOST,
    **HANGING,
    **NOT_HTTP,
    "closes without reading": _close_unread,
    "resets without reading": UpstreamConnection.reset,
    "100 MB": _endless,
    "HTML": answering(answer(502, b"<html>Bad Gateway</html>", content_type=b"text/html")),
    "a redirect": answering(answer(307, b"", b"Location: https://evil.test/linkedIn/invitations")),
    "drips": dripping(answer(200, b"x" * 10_000), every=0.02),
}
"""Every fault by name; `HANGING` and `drips` need a time limit."""
