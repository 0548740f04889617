"""A way through an HTTP proxy: a tunnel in which TLS is spoken with the upstream itself (RFC 9110, section 9.3.6).

The proxy sees the upstream's name and port, and no byte of a request.
"""

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from gateway.invitations.connection import MAX_HEAD_BYTES, Connection

_SUCCESS = re.compile(rb"HTTP/1\.[01] 2[0-9]{2}[ \r]")


class Proxy:
    """An HTTP proxy, by its URL, which can hold a user and a password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 80
        self._authorization = b""
        if parts.username is not None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._authorization = b"Proxy-Authorization: Basic " + b64encode(credentials) + b"\r\n"

    async def connect(self, new: Callable[[], Connection], host: str, port: int, context: ssl.SSLContext) -> Connection:
        """Make a connection to a host through a tunnel. Raises OSError when the proxy, or the host, refuses."""
        loop = asyncio.get_running_loop()
        transport, tunnel = await loop.create_connection(_Tunnel, self._host, self._port)
        try:
            name = b"[%b]" % host.encode("ascii") if ":" in host else host.encode("ascii")
            transport.write(
                b"CONNECT %b:%d HTTP/1.1\r\nHost: %b:%d\r\n%b\r\n" % (name, port, name, port, self._authorization)
            )
            await tunnel.opened
            connection = new()
            tls = await loop.start_tls(transport, connection, context, server_hostname=host)
        except BaseException:
            transport.abort()
            raise
        if tls is None:
            raise ConnectionError("The connection was closed while TLS began.")
        connection.connection_made(tls)
        return connection


class _Tunnel(asyncio.Protocol):
    """The proxy's answer to CONNECT: its head is all there is of it."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.opened.done():
            return
        if not self._head.endswith(b"\r\n\r\n"):
            if b"\r\n\r\n" in self._head or len(self._head) > MAX_HEAD_BYTES:
                self.opened.set_exception(ConnectionError("The proxy's answer is not the one of a tunnel."))
        elif _SUCCESS.match(self._head):
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError("The proxy refused to open a tunnel."))

    def connection_lost(self, _: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The proxy closed the connection."))
