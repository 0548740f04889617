"""An HTTP proxy that opens tunnels and records its requests."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from support.scripted_upstream import ScriptedUpstream, UpstreamConnection


@contextlib.contextmanager
def connect_proxy() -> Iterator[ScriptedUpstream]:
    """Run a proxy on a free port. Its `requests` are the heads it has read, without the tunnels' bytes."""

    def script(connection: UpstreamConnection) -> None:
        head = connection.read_request()
        if head is None:
            return
        host, _, port = head.split()[1].decode("ascii").rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(target, connection.socket))
            back.start()
            _pump(connection.socket, target)
            back.join()

    with ScriptedUpstream(script) as proxy:
        yield proxy


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
