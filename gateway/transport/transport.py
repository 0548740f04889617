"""An httpx transport that knows whether a request was sent.

An invitation must never be sent twice, so an exception's class has to answer one question: can the upstream have
seen the request? This transport raises

    httpx.UnsupportedProtocol   not the transport's origin    ┐
    httpx.PoolTimeout           not admitted in time          │ certainly not sent: no byte of the request
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

import httpx

from gateway.transport.answer import ResponseTooLarge
from gateway.transport.concurrency import ConcurrencyLimit
from gateway.transport.dial import Dialer, Origin
from gateway.transport.pool import Pool
from gateway.transport.serialize import serialize
from gateway.transport.tunnel import Proxy

__all__ = ["ResponseTooLarge", "Transport"]

_PORTS = {"http": 80, "https": 443}


class Transport(httpx.AsyncBaseTransport):
    """Sends requests to one origin over pooled HTTP/1.1 connections, and returns responses whose body has been read.

    A request's body must be bytes (`httpx.ByteStream`), with its `Content-Length` among the headers. Extensions:

    - `target` (bytes) replaces the URL's path and query.
    - `timeout` (seconds, None for no limit): `pool` covers waiting until fewer requests are in flight; `connect` covers
      getting a connection, one that becomes free or a new one (DNS, TCP and TLS); `read` runs from the first byte
      written to the last byte of the body; `write` is not used.
    - `deadline` (event loop time) limits both together: a caller that cancelled a request to limit its time would no
      longer know whether it was sent.
    - `new_connection` uses no pooled connection.
    - `before_write` is called right before the request is written, which may be long after it was passed to the
      transport. If it raises, nothing is written, and its exception is raised unchanged.

    Cancelling a request closes its connection. So does calling the response's `discard` extension, for a response that
    belongs to another request. `url` is the origin; requests to another one are refused. `max_connections` limits the
    requests in flight, and so does `max_latency`: `ConcurrencyLimit` says how. `max_response_bytes` limits a
    response with its head and framing. Idle connections close after `idle_seconds`, or as the server's `Keep-Alive`
    header says: the default is below the 5 seconds of many servers, so that a request rarely meets a connection that
    the server is closing. TLS verifies certificate and host name by the system's authorities unless `ssl_context` is
    given. With the URL of a `proxy`, connections go through its tunnels, to https only. `Pool` documents the rest.
    Belongs to one event loop.
    """

    def __init__(  # noqa: PLR0913 (each is explained above)
        self,
        url: str,
        *,
        max_response_bytes: int,
        max_connections: int = 100,
        max_latency: float = 5.0,
        idle_seconds: float = 4.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        self._origin = _origin(httpx.URL(url))
        self._checked: httpx.URL | None = None
        """The URL that was checked last: reading its parts takes as long as serializing a request."""
        self._is_refused = proxy is not None and self._origin[0] != "https"
        self._dialer = Dialer(
            self._origin,
            max_response_bytes=max_response_bytes,
            idle_seconds=idle_seconds,
            ssl_context=ssl_context,
            proxy=Proxy(proxy) if proxy else None,
        )
        self._limit = ConcurrencyLimit(max_in_flight=max_connections, max_latency=max_latency)
        self._pool = Pool(self._dialer.connect, max_connections=max_connections)

    @property
    def connections(self) -> dict[str, int]:
        """Connections that are open, idle and being opened, and requests that wait to be sent."""
        counts = self._pool.counts
        return {**counts, "waiting": counts["waiting"] + self._limit.waiting}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return its response. The module's docstring lists what it raises."""
        if request.url is not self._checked:
            self._check(request.url)
        data = serialize(request)
        before_write = request.extensions.get("before_write")
        loop = asyncio.get_running_loop()
        if not self._limit.admit(loop.time()):
            await self._limit.wait(_until(request, "pool", loop.time()))
        answered = late = False
        try:
            new = request.extensions.get("new_connection", False)
            connection = await self._pool.acquire(_until(request, "connect", loop.time()), new=new)
            try:
                now = loop.time()
                until = _until(request, "read", now)
                if until is not None and until <= now:
                    raise httpx.PoolTimeout("The deadline passed before the request was written.")
                if before_write is not None:
                    before_write()
                response = await connection.exchange(data, until, expects_body=request.method != "HEAD")
                answered = True
            except httpx.ReadTimeout:
                late = True
                raise
            else:
                return response
            finally:
                self._pool.release(connection, loop.time())
        finally:
            self._limit.leave(loop.time(), answered=answered, late=late)

    def _check(self, url: httpx.URL) -> None:
        """Raise `httpx.UnsupportedProtocol` unless requests to the URL may be sent, and remember it."""
        if _origin(url) != self._origin:
            raise httpx.UnsupportedProtocol("The request is for another origin.")
        if self._is_refused:
            raise httpx.UnsupportedProtocol("A proxy is used for https only: it could read everything else.")
        self._checked = url

    async def aclose(self) -> None:
        """Close every connection.

        Requests that wait for their response fail with `httpx.ReadError`, those that are not sent with `ConnectError`.
        """
        self._limit.close()
        await self._pool.aclose()
        await self._dialer.aclose()


def _until(request: httpx.Request, phase: str, now: float) -> float | None:
    """Return the event loop time by which a phase that starts now must end."""
    limit: float | None = request.extensions.get("timeout", {}).get(phase)
    deadline: float | None = request.extensions.get("deadline")
    if limit is None:
        return deadline
    until = now + limit
    return until if deadline is None else min(until, deadline)


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol("The URL is not http:// or https:// with a host.")
    return url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
