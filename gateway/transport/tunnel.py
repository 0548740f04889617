"""Tunnels through an HTTP proxy (RFC 9110, section 9.3.6). TLS runs inside them, between the gateway and the upstream.

The proxy sees the upstream's name and port, but no byte of a request.
"""

import asyncio
import re
import socket
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from gateway.transport.connection import MAX_HEAD_BYTES
from gateway.transport.reasons import DialError

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


class Proxy:
    """An HTTP proxy. Its URL can contain a user and a password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = parts.hostname or "", parts.port or 80
        self._authorization = b""
        if parts.username is not None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._authorization = b"Proxy-Authorization: Basic " + b64encode(credentials) + b"\r\n"

    async def open_tunnel(self, sock: socket.socket, host: str, port: int) -> None:
        """Ask the proxy that a socket is connected to for a tunnel to a host. Raises OSError if it refuses."""
        loop = asyncio.get_running_loop()
        name = b"[%b]" % host.encode("ascii") if ":" in host else host.encode("ascii")
        await loop.sock_sendall(
            sock, b"CONNECT %b:%d HTTP/1.1\r\nHost: %b:%d\r\n%b\r\n" % (name, port, name, port, self._authorization)
        )
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            if len(head) > MAX_HEAD_BYTES:
                raise DialError("proxy", "The head of the proxy's response is too large.")
            data = await loop.sock_recv(sock, 4096)
            if not data:
                raise DialError("proxy", "The proxy closed the connection.")
            head += data
        status = _STATUS.match(head)
        if status is None:
            raise DialError("proxy", "The proxy's response is not HTTP/1.")
        if not status[1].startswith(b"2"):
            raise DialError("proxy", f"The proxy refused to open a tunnel, with status {status[1].decode()}.")
        if len(head) > end + 4:
            raise DialError("proxy", "The proxy sent unexpected bytes after its response.")
