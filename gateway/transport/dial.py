"""Opens connections: DNS, TCP and TLS, through a proxy if there is one."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx

from gateway.transport.addresses import Addresses
from gateway.transport.answer import Received
from gateway.transport.connection import Connection
from gateway.transport.patience import Within
from gateway.transport.reasons import DialError, FailureLog
from gateway.transport.sockets import disown
from gateway.transport.tcp import connect_one_of
from gateway.transport.tls import Sessions, tls_context
from gateway.transport.tunnel import Proxy

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""


class Dialer:
    """Opens connections, without writing any byte of a request."""

    def __init__(
        self,
        origin: Origin,
        *,
        max_response_bytes: int,
        idle_seconds: float,
        ssl_context: ssl.SSLContext | None,
        proxy: Proxy | None,
    ) -> None:
        self._origin = origin
        self._received = Received(max_response_bytes=max_response_bytes)
        self._idle_seconds = idle_seconds
        self._ssl_context = ssl_context
        self._sessions: Sessions | None = None
        self._proxy = proxy
        self._addresses = Addresses(*(proxy.address if proxy else origin[1:]))
        self._failures = FailureLog()

    async def connect(self, on_lost: Callable[[Connection], None], until: float | None) -> Connection:
        """Open a connection. `on_lost` is called when it is lost.

        Raises `httpx.ConnectTimeout` at `until` (event loop time), or `httpx.ConnectError`.
        """
        _, host, port = self._origin
        attempt = _Attempt()
        try:
            async with Within(until):
                return await self._connect(on_lost, until, attempt)
        except (OSError, ValueError, RuntimeError) as error:  # uvloop has RuntimeError for some of them
            if attempt.peer is not None or attempt.step == "tcp":
                self._addresses.failed(attempt.peer)
            self._failures.add(host, port, attempt.step, error, self._ssl_context)
            if isinstance(error, TimeoutError):
                raise httpx.ConnectTimeout("The connection was not made in time.") from error
            raise httpx.ConnectError(f"The connection could not be made: {error}") from error

    async def _connect(
        self, on_lost: Callable[[Connection], None], until: float | None, attempt: "_Attempt"
    ) -> Connection:
        scheme, host, port = self._origin
        loop = asyncio.get_running_loop()
        context = self._tls() if scheme == "https" else None
        attempt.step = "name"
        found = await self._addresses.find()
        attempt.step = "tcp"
        sock = await connect_one_of(found, until)
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

        def new() -> Connection:
            return Connection(
                sessions=self._sessions,
                all_received=self._received,
                idle_seconds=self._idle_seconds,
                on_lost=on_lost,
            )

        try:
            _, connection = await loop.create_connection(new, sock=sock, ssl=context, server_hostname=server_hostname)
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
        self._addresses.worked(found, attempt.peer)
        return connection

    async def aclose(self) -> None:
        """Cancel the lookup of the host's name."""
        await self._addresses.aclose()

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = tls_context()
        if self._sessions is None:
            self._sessions = Sessions(self._ssl_context, self._origin[1])
        return self._ssl_context


class _Attempt:
    """The progress of an attempt to connect."""

    step = "tls"
    peer: Any = None


async def require_silence(connection: Connection) -> None:
    """Raise DialError unless the connection is open and has received nothing that was not requested."""
    if not await connection.is_silent():
        raise DialError("not-ready", "The connection was closed, or received bytes, before it was used.")
