"""The way to the REST API through a proxy: httpx's own transport, held to what `Transport` promises.

httpx knows proxies and takes a millisecond of CPU a call for it. What it does differently is made the same here: a
deadline over everything, a bound on the answer's size, and classes of exceptions that tell whether a request was sent.
"""

import asyncio
import ssl

import httpx

from gateway.invitations.connection import Response, ResponseTooLarge

_LOST = ("Server disconnected", "peer closed connection")
"""How httpcore and h11 begin to tell of a connection that ended too early; they have one class for that and garbage."""

_GRACE = 0.2
"""Seconds that the limits of the phases have before the deadline: they know whether anything was sent."""


class ProxiedTransport(httpx.AsyncBaseTransport):
    """Sends requests through an HTTP proxy; otherwise as `gateway.invitations.Transport`.

    A request's `deadline` extension is kept. To https the proxy only opens a tunnel: it sees no token.
    """

    def __init__(
        self,
        proxy: str,
        *,
        max_response_bytes: int,
        max_connections: int = 100,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_response_bytes = max_response_bytes
        self._transport = httpx.AsyncHTTPTransport(
            verify=ssl_context or ssl.create_default_context(),
            proxy=proxy,
            trust_env=False,
            limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=4.0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return its answer, which has been read; raises what `Transport` raises."""
        deadline: float | None = request.extensions.get("deadline")
        try:
            async with asyncio.timeout_at(None if deadline is None else deadline + _GRACE):
                return await self._read(await self._transport.handle_async_request(_without_target(request)))
        except TimeoutError:
            raise httpx.ReadTimeout("The answer was not whole when the time was up.") from None
        except httpx.ProxyError as error:  # it did not open the tunnel
            raise httpx.ConnectError("The proxy did not make the connection.") from error
        except httpx.RemoteProtocolError as error:
            if not str(error).startswith(_LOST):
                raise
            raise httpx.ReadError("The connection was lost before the answer was whole.") from error

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _read(self, response: httpx.Response) -> httpx.Response:
        try:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._max_response_bytes:
                    message = f"The answer is larger than {self._max_response_bytes} bytes."
                    raise ResponseTooLarge(message, response.status_code)
        finally:
            await response.aclose()
        if "content-encoding" in response.headers:
            return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(bytes(body)))
        return Response(response.status_code, response.headers.raw, bytes(body))


def _without_target(request: httpx.Request) -> httpx.Request:
    """Put the `target` extension into the URL: httpcore would ask the proxy itself for it, instead of for a tunnel."""
    extensions = dict(request.extensions)
    target: bytes | None = extensions.pop("target", None)
    url = request.url if target is None else request.url.copy_with(raw_path=target)
    return httpx.Request(request.method, url, headers=request.headers.raw, stream=request.stream, extensions=extensions)
