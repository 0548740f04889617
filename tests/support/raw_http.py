"""HTTP/1.1 byte by byte, for requests that no client library would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any, Self

from support.waiting import LIMIT


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came, the names of its headers in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value, several joined by commas; None where there is none."""
        values = [value for found, value in self.headers if found == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """A client's connection to a port of 127.0.0.1."""

    def __init__(self, port: int, *, window: int | None = None) -> None:
        """Connect; with a `window`, little is taken from the network before it is read."""
        self._socket = socket.socket()
        self._socket.settimeout(LIMIT)
        if window is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        """Send the end of what is sent, and go on receiving."""
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, *, head: bool = False) -> Answer:
        """Read one answer, without a body when it is one to HEAD; raises ConnectionError when there is none."""
        start, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
        answer = Answer(int(start.split(" ")[1]), headers, b"")
        if head or answer.status in (100, 204, 304):
            return answer
        return Answer(answer.status, headers, self._body(answer))

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.receive()

    def is_closed(self) -> bool:
        """Wait for the server's next word, and say whether it is that it has closed."""
        try:
            return not self._buffer and not self._socket.recv(1)
        except ConnectionError:
            return True

    def _body(self, answer: Answer) -> bytes:
        if answer.header("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._exactly(size)
                self._exactly(2)
            self._exactly(2)
            return body
        return self._exactly(int(answer.header("content-length") or 0))

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._fill()
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _fill(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError(f"the server closed the connection after {self._buffer!r}")
        self._buffer += data


def request(
    body: bytes | None = None,
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = b"/graphql",
    content_type: bytes | None = b"application/json",
    version: bytes = b"1.1",
) -> bytes:
    """Return the bytes of a request; a body has its length and, unless it is None, a content type."""
    lines = [method + b" " + target + b" HTTP/" + version, b"Host: gateway.test"]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
        if content_type is not None:
            lines.append(b"Content-Type: " + content_type)
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + (body or b"")


def chunked(*chunks: bytes) -> bytes:
    """Return a body in chunked coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
