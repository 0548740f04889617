r"""An upstream of raw sockets that does exactly what a script says, right or wrong, and counts what reached it.

    with ScriptedUpstream(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        httpx.get(upstream.url)
        assert upstream.requests == [b"GET / HTTP/1.1\r\n..."]

A script is a function that is called in a thread of its own for each connection that was accepted. When it returns
the connection is closed. `support.upstream_faults` has scripts for everything that can go wrong.
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
        """The how manieth connection this is, from 0."""
        self._upstream = upstream
        self.socket = sock
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

    def read_some(self) -> None:
        """Read the beginning of a request, as much of it as there is, without recording it."""
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
        """Send what ends the connection, but keep it open: nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def wait_until_client_closes(self) -> None:
        """Hang, reading and forgetting whatever comes, until the client has closed the connection."""
        while self._receive():
            self._buffer = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.socket = tls = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        tls.do_handshake()

    def shut_down(self) -> None:
        """End both directions, so that a script that waits wakes up."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> bool:
        data = self.socket.recv(65_536)
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
        """How many connections have a script that is still running."""
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
            pass  # the client left, or the test is over
        finally:
            connection.close()
            self._connections.discard(connection)
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


def answering(*answers: bytes) -> Script:
    """Answer each request of a connection with the next of these, the last one for ever."""

    def script(connection: UpstreamConnection) -> None:
        number = 0
        while connection.read_request() is not None:
            connection.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script
