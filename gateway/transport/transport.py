"""An httpx transport that knows whether a request was sent.

An invitation must never be sent twice, so an exception's class has to answer one question: can the upstream have
seen the request? This transport raises

    httpx.UnsupportedProtocol   not http or https             ┐
    httpx.PoolTimeout           no free connection in time    │ certainly not sent: no byte of the request
    httpx.ConnectTimeout        not connected in time         │ was written to a socket
    httpx.ConnectError          DNS, TCP or TLS failed        ┘
    httpx.LocalProtocolError    the request is not HTTP (our own mistake); not sent either
    httpx.ReadTimeout           the response was not complete in time
    httpx.ReadError             the connection was lost before the response was complete
    httpx.RemoteProtocolError   the response is not HTTP/1
    └── ResponseTooLarge        the response exceeds the limit

and never writes anything a second time. The alternatives: httpcore, behind httpx's own transport, raises the right
classes but costs more than a millisecond of CPU per call under concurrency. httpx-aiohttp reports a connection lost
after the request as `ConnectTimeout`. pyreqwest raises `ConnectError` even when the server has read a POST and then
closes, resets or stops in the middle of a header. asyncio with httptools, the parser that uvicorn uses, knows exactly
what it wrote, and is the fastest of them. There is no HTTP/2. Proxy support is our own, too: httpcore sends http
requests to a proxy in clear, and loses a place in its pool for good whenever a TLS handshake fails in a tunnel.
"""

import asyncio
import ssl
from collections import OrderedDict

import httpx

from gateway.transport.answer import ResponseTooLarge
from gateway.transport.connection import Connection, Origin
from gateway.transport.dial import Dialer
from gateway.transport.idle import IdleConnections
from gateway.transport.patience import TURNS, Within
from gateway.transport.serialize import serialize
from gateway.transport.tunnel import Proxy

__all__ = ["ResponseTooLarge", "Transport"]

_PORTS = {"http": 80, "https": 443}


class Transport(httpx.AsyncBaseTransport):
    """Sends requests over pooled HTTP/1.1 connections, and returns responses whose body has been read.

    A request's body must be bytes (`httpx.ByteStream`), with its `Content-Length` among the headers. Extensions:

    - `target` (bytes) replaces the URL's path and query.
    - `timeout` (seconds, None for no limit): `pool` covers queueing, `connect` covers DNS, TCP and TLS together, `read`
      runs from the first byte written to the last byte of the body, and `write` is part of it.
    - `deadline` (event loop time) limits all phases together: a caller that cancelled a request to limit its time would
      no longer know whether it was sent.
    - `new_connection` uses no pooled connection.

    Cancelling a request closes its connection. So does calling the response's `discard` extension, for a response that
    belongs to another request. At most `max_connections` are open or being opened; waiters are served first come, first
    served. Idle connections close after `idle_seconds`: the default is below the 5 seconds of many servers, so that a
    request rarely meets a connection that the server is closing. `max_response_bytes` limits a response with its head
    and framing. TLS verifies certificate and host name by the system's authorities unless `ssl_context` is given. With
    the URL of a `proxy`, connections go through its tunnels, to https only. Belongs to one event loop.
    """

    def __init__(
        self,
        *,
        max_response_bytes: int,
        max_connections: int = 100,
        idle_seconds: float = 4.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        self._max_response_bytes = max_response_bytes
        self._max_connections = max_connections
        self._idle_seconds = idle_seconds
        self._proxy = Proxy(proxy) if proxy else None
        self._dialer = Dialer(self._new, ssl_context=ssl_context, proxy=self._proxy)
        self._slots = 0  # connections that are open, being opened, or promised to a waiter
        self._idle = IdleConnections()
        self._waiters: OrderedDict[asyncio.Future[Connection | None], Origin] = OrderedDict()
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> dict[str, int]:
        """The numbers of `open` connections, of `idle` ones among them, of `slots` taken and of requests `waiting`."""
        return {
            "open": len(self._open),
            "idle": len(self._idle),
            "slots": self._slots,
            "waiting": len(self._waiters),
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return its response. The module's docstring lists what it raises."""
        origin = _origin(request.url)
        if self._proxy and origin[0] != "https":
            raise httpx.UnsupportedProtocol("A proxy is used for https only: it could read everything else.")
        data = serialize(request)
        connection = await self._acquire(origin, request)
        try:
            until = _until(request, "read")
            if until is not None and until <= asyncio.get_running_loop().time():
                raise httpx.PoolTimeout("The deadline passed before the request was written.")
            return await connection.exchange(data, until, expects_body=request.method != "HEAD")
        finally:
            if not connection.reusable:
                connection.abort()
            self._give_back(connection if connection.reusable else None)

    async def aclose(self) -> None:
        """Close every connection. Requests in flight fail with `httpx.ReadError`, queued ones with `ConnectError`."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()
        for _ in range(TURNS):  # the loop reports an aborted connection's end in a later iteration
            if self._open:
                await asyncio.sleep(0)

    async def _acquire(self, origin: Origin, request: httpx.Request) -> Connection:
        """Return a connection, and with it a slot that the caller has to give back."""
        new = request.extensions.get("new_connection", False)
        connection = None if new else self._idle.take(origin)
        if connection is None:
            if self._slots < self._max_connections:
                self._slots += 1
            elif (other := self._idle.oldest()) is not None:  # take over its slot
                self._idle.remove(other)
                other.abort()
            else:
                connection = await self._wait(origin, request)
        if connection is not None:
            if connection.is_alive() and not new:
                return connection
            connection.abort()
        return await self._connect(origin, request)

    async def _wait(self, origin: Origin, request: httpx.Request) -> Connection | None:
        """Wait in the queue, and return a connection to the origin, or None for a slot to open one."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = origin
        try:
            async with Within(_until(request, "pool")):
                return await waiter
        except BaseException as error:
            self._waiters.pop(waiter, None)
            if isinstance(error, TimeoutError) and waiter.done() and not waiter.cancelled():
                return waiter.result()
            if waiter.done() and not waiter.cancelled():  # it came too late: pass it on
                self._give_back(waiter.result())
            if isinstance(error, TimeoutError):
                raise httpx.PoolTimeout("No connection was free in time.") from None
            raise

    async def _connect(self, origin: Origin, request: httpx.Request) -> Connection:
        try:
            connection = await self._dialer.connect(origin, _until(request, "connect"))
        except BaseException:
            self._give_back(None)
            raise
        if self._closed:
            connection.abort()
            self._give_back(None)
            raise httpx.ConnectError("The transport was closed before the request was written.")
        self._open.add(connection)
        return connection

    def _new(self, origin: Origin) -> Connection:
        return Connection(origin, max_response_bytes=self._max_response_bytes, on_lost=self._lost)

    def _give_back(self, connection: Connection | None) -> None:
        """Hand the slot, and its connection if that is reusable, to the longest waiter, or return it to the pool."""
        now = asyncio.get_running_loop().time()
        if connection is not None:
            connection.idle_until = now + self._idle_seconds
        while self._waiters:
            waiter, origin = self._waiters.popitem(last=False)
            if waiter.done():
                continue
            if connection is not None and connection.origin != origin:
                connection.abort()
                connection = None
            waiter.set_result(connection)
            return
        if connection is None:
            self._slots -= 1
            return
        self._idle.add(connection)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_at(connection.idle_until, self._sweep)

    def _sweep(self) -> None:
        """Close connections that have been idle too long."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        while (oldest := self._idle.oldest()) is not None and oldest.idle_until <= loop.time():
            self._idle.remove(oldest)
            oldest.abort()
            self._give_back(None)
        if oldest is not None:
            self._sweeper = loop.call_at(oldest.idle_until, self._sweep)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._idle.remove(connection):
            self._give_back(None)


def _until(request: httpx.Request, phase: str) -> float | None:
    """Return the event loop time by which a phase that starts now must end."""
    limit: float | None = request.extensions.get("timeout", {}).get(phase)
    deadline: float | None = request.extensions.get("deadline")
    if limit is None:
        return deadline
    until = asyncio.get_running_loop().time() + limit
    return until if deadline is None else min(until, deadline)


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol("The URL is not http:// or https:// with a host.")
    return url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
