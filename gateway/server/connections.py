"""Limits client connections: those beyond the limit get a 503 at once, and are closed."""

import asyncio
import logging
from typing import Any

import msgspec

from gateway.errors import ErrorCode, Outcome
from gateway.server.descriptors import REFUSALS
from gateway.server.protocol import HttpProtocol
from gateway.server.uvicorn_internals import ServerState

LINGER = 2.0
"""Seconds that a rejected client has to read its response."""
REPORT_AFTER = 1.0

_logger = logging.getLogger("gateway.http")
_BODY = msgspec.json.encode(
    {
        "errors": [
            {
                "message": "The gateway has too many connections. Try again later.",
                "extensions": {"code": ErrorCode.OVERLOADED.value, "outcome": Outcome.NOT_APPLIED.value},
            }
        ]
    }
)
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"content-type: application/json; charset=utf-8\r\n"
    b"content-length: %d\r\n"
    b"cache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"retry-after: 1\r\n"
    b"connection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class BoundedConnections:
    """Creates the protocol of each client connection, as uvicorn's `http` option: HTTP, or a rejection."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._lingering: set[asyncio.Protocol] = set()
        self._refused = 0
        self._new = 0
        """Accepted connections that uvicorn does not count yet: several may be accepted at once."""

    def __call__(self, *, server_state: ServerState, **options: Any) -> asyncio.Protocol:
        """Return the protocol for an accepted connection."""
        if len(server_state.connections) + self._new < self._maximum:
            self._new += 1
            asyncio.get_running_loop().call_soon(self._count)
            return HttpProtocol(server_state=server_state, **options)
        if not self._refused:
            asyncio.get_running_loop().call_later(REPORT_AFTER, self._report)
        self._refused += 1
        return _Refusal(self._lingering)

    def _count(self) -> None:
        self._new -= 1

    def _report(self) -> None:
        _logger.warning(
            "%d client connections were refused with 503: the open file limit (ulimit -n) allows %d",
            self._refused,
            self._maximum,
        )
        self._refused = 0


class _Refusal(asyncio.Protocol):
    """Sends the 503, and then reads until the client has closed.

    Closing the socket while the client is still sending could make the client's system discard the response.
    """

    def __init__(self, lingering: set[asyncio.Protocol]) -> None:
        self._lingering = lingering
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Send the response."""
        transport.write(_ANSWER)
        if len(self._lingering) >= REFUSALS:
            transport.close()
            return
        self._lingering.add(self)
        self._timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)
        transport.write_eof()

    def connection_lost(self, _: Exception | None) -> None:
        """Stop tracking the connection."""
        self._lingering.discard(self)
        if self._timer:
            self._timer.cancel()
