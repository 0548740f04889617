r"""An upstream on raw sockets that follows a script exactly, right or wrong, and records its requests.

    with ScriptedUpstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        httpx.get(upstream.url)
        assert upstream.requests == [b"GET / HTTP/1.1\r\n..."]

A script is a function that is called for each accepted connection, in a thread of its own. The connection is closed
when it returns. `support.upstream_faults` has scripts for everything that can go wrong.
"""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[["UpstreamConnection"], None]


class UpstreamConnection:
    """The upstream's end of a connection."""

    def __init__(self, upstream: "ScriptedUpstream", sock: socket.socket, number: int) -> None:
        self.number = number
        """The connection's index, from 0."""
        self._upstream = upstream
        self.socket = sock
        self._buffer = b""

    def read_request(self) -> bytes | None:
        """Record and return one complete request with its body, or None if the client has closed."""
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

    def read_some(self) -> None:
        """Read the part of a request that has arrived, without recording it."""
        self._receive()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    def end(self) -> None:
        """Shut down sending, but keep the connection open."""
        self.socket.shutdown(socket.SHUT_WR)

    def wait_until_client_closes(self) -> None:
        """Discard everything received until the client closes the connection."""
        while self._receive():
            self._buffer = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.socket = tls = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        tls.do_handshake()

    def shut_down(self) -> None:
        """Shut down both directions, so that a waiting script wakes up."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> bool:
        data = self.socket.recv(65_536)
        self._buffer += data
        self._upstream.bytes_received += len(data)
        return bool(data)


class ScriptedUpstream:
    """Serves a script on a free port of 127.0.0.1 (or another host), over TLS if a context is given."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.script = script
        self.requests: list[bytes] = []
        """Every request that was read completely, in order."""
        self.bytes_received = 0
        """Bytes that reached a script, in complete requests or not."""
        self.accepted = 0
        """Number of accepted connections."""
        self._tls = tls
        self._listener = socket.create_server((host, 0), backlog=512)
        self._connections: set[UpstreamConnection] = set()
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
        """Number of connections whose script is still running."""
        return len(self._threads)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        for connection in list(self._connections):
            connection.shut_down()
        for thread in list(self._threads):
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what a script sends arrives at once
            connection = UpstreamConnection(self, sock, self.accepted)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.accepted += 1
            self._threads.add(thread)
            self._connections.add(connection)
            thread.start()

    def _serve(self, connection: UpstreamConnection) -> None:
        try:
            if self._tls is not None:
                connection.start_tls(self._tls)
            self.script(connection)
        except OSError:
            pass  # the client disconnected, or the test has ended
        finally:
            connection.close()
            self._connections.discard(connection)
            self._threads.discard(threading.current_thread())


def answer(status: int = 200, body: bytes = b"{}", *headers: bytes, content_type: bytes = b"application/json") -> bytes:
    """Return a well-formed response."""
    lines = [
        b"HTTP/1.1 %d Scripted" % status,
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Script:
    """Return a script that sends these responses to a connection's requests in turn, repeating the last one."""

    def script(connection: UpstreamConnection) -> None:
        number = 0
        while connection.read_request() is not None:
            connection.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script
