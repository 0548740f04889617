"""HTTP/1.1 byte by byte, for requests that no client library would send."""

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from support.waiting import LIMIT


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it arrived, with its header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's value, or None if it is missing; several values are joined by commas."""
        values = [value for found, value in self.headers if found == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)


def parse(data: bytes, *, head: bool = False, ended: bool = False) -> tuple[Answer, bytes] | None:
    """Return the first response in these bytes and the bytes after it, or None if it is incomplete.

    A response to HEAD has no body. A response without a length lasts until the connection has `ended`.
    """
    top, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    start, *lines = top.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    answer = Answer(int(start.split(" ")[1]), headers, b"")
    length = answer.header("content-length")
    if head or answer.status in (100, 204, 304):
        return answer, rest
    if answer.header("transfer-encoding") == "chunked":
        found = _chunks(rest)
        return found and (Answer(answer.status, headers, found[0]), found[1])
    if length is None:
        return (Answer(answer.status, headers, rest), b"") if ended else None
    size = int(length)
    return (Answer(answer.status, headers, rest[:size]), rest[size:]) if len(rest) >= size else None


def _chunks(data: bytes) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        size, end, data = data.partition(b"\r\n")
        length = int(size, 16) if end else 0
        if not end or len(data) < length + 2:
            return None
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            return body, data


class RawConnection:
    """A client's connection to a port on 127.0.0.1."""

    def __init__(self, port: int, *, window: int | None = None, limit: float = LIMIT) -> None:
        """Connect. A small `window` keeps the kernel from buffering much before it is read; `limit` is in seconds."""
        self._socket = socket.socket()
        self._socket.settimeout(limit)
        if window is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        try:
            self._socket.connect(("127.0.0.1", port))
        except OSError:
            self._socket.close()
            raise
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        """Shut down sending, and keep receiving."""
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self, *, head: bool = False) -> Answer:
        """Return the next response; one to HEAD (`head`) has no body. Raises ConnectionError if there is none."""
        ended = False
        while not (found := parse(self._buffer, head=head, ended=ended)):
            if ended:
                raise ConnectionError(f"the server closed the connection after {self._buffer!r}")
            data = self._socket.recv(65_536)
            ended = not data
            self._buffer += data
        answer, self._buffer = found
        return answer

    def read(self, size: int = 65_536) -> bytes:
        """Read what has come, whatever it is; nothing when the server has closed."""
        return self._socket.recv(size)

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.receive()

    def is_closed(self) -> bool:
        """Wait until the server sends something or closes, and return whether it has closed."""
        try:
            return not self._buffer and not self._socket.recv(1)
        except ConnectionError:
            return True


class AsyncConnection:
    """The same on an event loop, for many connections at once."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self.client_port: int = writer.get_extra_info("sockname")[1]

    @classmethod
    async def to(cls, port: int) -> Self:
        """Connect to a port on 127.0.0.1."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        """Shut down sending, and keep receiving."""
        self._writer.write_eof()

    async def receive(self, *, head: bool = False) -> Answer:
        """Return the next response; one to HEAD (`head`) has no body. Raises ConnectionError if there is none."""
        ended = False
        while not (found := parse(self._buffer, head=head, ended=ended)):
            if ended:
                raise ConnectionError(f"the server closed the connection after {self._buffer!r}")
            data = await self.read()
            ended = not data
            self._buffer += data
        answer, self._buffer = found
        return answer

    async def read(self) -> bytes:
        """Read what has come, whatever it is; nothing when the server has closed."""
        return await self._reader.read(65_536)

    async def ask(self, request: bytes, *, head: bool = False) -> Answer:
        self.send(request)
        await self._writer.drain()
        return await self.receive(head=head)

    def is_closed(self) -> bool:
        """Return whether one side is known to have closed it."""
        return self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing()

    def abort(self) -> None:
        """Close it without sending buffered data."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def request(
    body: bytes | None = None,
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = b"/graphql",
    content_type: bytes | None = b"application/json",
    version: bytes = b"1.1",
) -> bytes:
    """Return the bytes of a request. A body gets its length and, unless it is None, a content type."""
    lines = [method + b" " + target + b" HTTP/" + version, b"Host: gateway.test"]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
        if content_type is not None:
            lines.append(b"Content-Type: " + content_type)
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + (body or b"")


def chunked(*chunks: bytes) -> bytes:
    """Return a chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
