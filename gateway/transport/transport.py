"""The way to the REST API: an httpx transport that knows whether a request was sent.

An invitation must never be sent twice, so the class of an exception has to answer one question: can the upstream have
seen the request? Raised by this transport,

    httpx.UnsupportedProtocol   not http or https        ┐
    httpx.PoolTimeout           no connection was free   │ certainly not sent: not one byte of the request
    httpx.ConnectTimeout        not connected in time    │ was given to a socket
    httpx.ConnectError          name, TCP, TLS           ┘
    httpx.LocalProtocolError    a request that is not HTTP, our own mistake; not sent either
    httpx.ReadTimeout           the answer was not whole in time
    httpx.ReadError             the connection was lost before the answer was whole
    httpx.RemoteProtocolError   the answer is not HTTP/1
    └── ResponseTooLarge        the answer is larger than the limit

and nothing is ever written a second time. What was weighed: httpcore, behind httpx's own transport, has honest classes
but costs more than a millisecond of CPU a call under concurrency. httpx-aiohttp reports a connection that was lost
after the request as `ConnectTimeout`. pyreqwest raises `ConnectError` also when the server has read a POST and then
closes, resets or stops in the middle of a header. asyncio with httptools, the parser that uvicorn runs on, knows
exactly what it wrote and is the fastest of them. Not HTTP/2. Proxies are its own work as well: httpcore sends what is
for http to a proxy in clear, and loses a place in its pool for good with each TLS handshake that fails in a tunnel.
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
    """Sends requests over pooled HTTP/1.1 connections and returns answers whose body has been read.

    A request's body must be bytes (`httpx.ByteStream`), with its `Content-Length` among the headers. The `target`
    extension (bytes) replaces the URL's path and query. Of the `timeout` extension (seconds, or None for no limit)
    `pool` is for a free connection, `connect` for name, TCP and TLS together, and `read` for everything from the first
    byte written to the last byte of the body; `write` is part of it. The `deadline` extension (the event loop's time)
    bounds all of them together, so that a caller's time limit does not need to cancel a request and thereby forget
    whether it was sent. With the `new_connection` extension no pooled connection is used. A cancelled request closes
    its connection. The answer's `discard` extension is a function that closes its connection at once, for an answer
    that belongs to another request.

    At most `max_connections` are open or being opened; who waits for one is served in order. One that was idle for
    `idle_seconds` is closed: the default is below the 5 seconds of many servers, so that a request rarely meets a
    connection that the server is closing. `max_response_bytes` bounds an answer with its head and framing. TLS
    verifies certificate and host name by the system's authorities unless another context is given. With the URL of
    a `proxy`, connections lead through tunnels that it opens, to https only.
    Belongs to one event loop.
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
        """How many are `open`, how many of them `idle`, how many `slots` are taken, how many requests are `waiting`."""
        return {
            "open": len(self._open),
            "idle": len(self._idle),
            "slots": self._slots,
            "waiting": len(self._waiters),
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return its answer; the module says what is raised."""
        origin = _origin(request.url)
        if self._proxy and origin[0] != "https":
            raise httpx.UnsupportedProtocol("Through a proxy only https is spoken: it would read everything else.")
        data = serialize(request)
        connection = await self._acquire(origin, request)
        try:
            until = _until(request, "read")
            if until is not None and until <= asyncio.get_running_loop().time():
                raise httpx.PoolTimeout("The time was up before the request was written.")
            return await connection.exchange(data, until, expects_body=request.method != "HEAD")
        finally:
            if not connection.reusable:
                connection.abort()
            self._give_back(connection if connection.reusable else None)

    async def aclose(self) -> None:
        """Close every connection; who waits for an answer gets `httpx.ReadError`, who waits to send `ConnectError`."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._open):
            connection.abort()
        for _ in range(TURNS):  # in which the loop reports the end of an aborted connection
            if self._open:
                await asyncio.sleep(0)

    async def _acquire(self, origin: Origin, request: httpx.Request) -> Connection:
        """Return a connection, and with it a slot that the caller has to give back."""
        new = request.extensions.get("new_connection", False)
        connection = None if new else self._idle.take(origin)
        if connection is None:
            if self._slots < self._max_connections:
                self._slots += 1
            elif (other := self._idle.oldest()) is not None:  # its slot changes hands
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
        """Wait in line for a connection to the origin, or for the slot to open one (None)."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = origin
        try:
            async with Within(_until(request, "pool")):
                return await waiter
        except BaseException as error:
            self._waiters.pop(waiter, None)
            if isinstance(error, TimeoutError) and waiter.done() and not waiter.cancelled():
                return waiter.result()
            if waiter.done() and not waiter.cancelled():  # what came too late is the next one's
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
        """Pass a slot, with its connection when that can be used again, to who waits longest, or keep it."""
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
        """Close what has been idle for too long."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        while (oldest := self._idle.oldest()) is not None and oldest.idle_until <= loop.time():
            self._idle.remove(oldest)
            oldest.abort()
            self._give_back(None)
        if oldest is not None and not self._closed:
            self._sweeper = loop.call_at(oldest.idle_until, self._sweep)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._idle.remove(connection):
            self._give_back(None)


def _until(request: httpx.Request, phase: str) -> float | None:
    """Return the event loop's time at which a phase that begins now has to be over."""
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
