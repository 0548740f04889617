"""Opens connections: DNS, TCP and TLS, through a proxy if there is one.

All addresses of a host are tried, each one as soon as the one before has failed or has not connected within a quarter
of a second (RFC 8305): a dead address must not use up the time that the others need.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx
from aiohappyeyeballs import start_connection

from gateway.transport.addresses import Addresses
from gateway.transport.connection import Connection, Origin
from gateway.transport.patience import TURNS, Within
from gateway.transport.reasons import DialError, FailureLog
from gateway.transport.sockets import disown
from gateway.transport.tls import tls_context
from gateway.transport.tunnel import Proxy

NEXT_ADDRESS_AFTER = 0.25
"""RFC 8305's "Connection Attempt Delay", in seconds."""


class Dialer:
    """Opens connections, without writing any byte of a request."""

    def __init__(
        self, new: Callable[[Origin], Connection], *, ssl_context: ssl.SSLContext | None, proxy: Proxy | None
    ) -> None:
        self._new = new
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._addresses = Addresses()
        self._failures = FailureLog()

    async def connect(self, origin: Origin, until: float | None) -> Connection:
        """Return a new connection. Raises `httpx.ConnectError`, or after `until` (loop time) `httpx.ConnectTimeout`."""
        _, host, port = origin
        address = self._proxy.address if self._proxy else (host, port)
        attempt = _Attempt()
        try:
            async with Within(until):
                return await self._connect(origin, address, attempt)
        except (OSError, ValueError, RuntimeError) as error:  # uvloop raises RuntimeError for some of them
            self._addresses.failed(*address, attempt.peer)
            self._failures.add(host, port, attempt.step, error, self._ssl_context)
            if isinstance(error, TimeoutError):
                raise httpx.ConnectTimeout("The connection was not made in time.") from error
            raise httpx.ConnectError(f"The connection could not be made: {error}") from error

    async def _connect(self, origin: Origin, address: tuple[str, int], attempt: "_Attempt") -> Connection:
        scheme, host, port = origin
        loop = asyncio.get_running_loop()
        context = self._tls() if scheme == "https" else None
        attempt.step = "name"
        found = await self._addresses.find(*address)
        attempt.step = "tcp"
        sock = await start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER)
        try:
            attempt.peer = sock.getpeername()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._proxy:
                attempt.step = "proxy"
                await self._proxy.open_tunnel(sock, host, port)
        except BaseException:
            sock.close()
            raise
        attempt.step = "tls" if context else "ready"
        server_hostname = host if context else None
        try:
            _, connection = await loop.create_connection(
                lambda: self._new(origin), sock=sock, ssl=context, server_hostname=server_hostname
            )
        except BaseException:
            disown(sock)
            raise
        attempt.step = "ready"
        try:
            await require_silence(connection)
        except BaseException:
            connection.abort()
            disown(sock)
            raise
        self._addresses.worked(*address, found, attempt.peer)
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = tls_context()
        return self._ssl_context


class _Attempt:
    """How far an attempt to connect got."""

    step = "tls"
    peer: Any = None


async def require_silence(connection: Connection) -> None:
    """Raise DialError unless the connection is open and has received nothing that was not requested.

    Readable bytes may be TLS's own, such as session tickets; the event loop has to read them to find out.
    """
    for _ in range(TURNS):
        if not connection.reusable:
            break
        if not connection.is_readable():
            return
        await asyncio.sleep(0)
    raise DialError("not-ready", "The connection was closed, or received bytes, before it was used.")
