"""Looks up the addresses of a host, and puts those that work first."""

import asyncio
import socket
from copy import copy
from itertools import zip_longest
from typing import Any, TypeAlias

AddressInfo: TypeAlias = tuple[int, int, int, str, Any]
"""One of the items that `socket.getaddrinfo` returns."""

LOOK_UP_AFTER = 1.0
"""Seconds for which the result of a lookup is used, so that hundreds of connections opened at once share it."""
AVOID_SECONDS = 600.0
"""Seconds for which an address that did not work is tried last: on the order of ten minutes (RFC 6555, section 4.2)."""


class Addresses:
    """Finds the addresses of a host, a different one first each time, and those that did not work last."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lookup: asyncio.Task[list[Any] | Exception] | None = None
        """The latest lookup, finished or not."""
        self._look_up_again = 0.0
        self._turn = 0
        self._avoided: dict[tuple[str, int], float] = {}

    async def find(self) -> list[AddressInfo]:
        """Return the host's addresses. Raises OSError, or ValueError for a host that cannot be a name."""
        loop = asyncio.get_running_loop()
        lookup = self._lookup
        if lookup is None or (lookup.done() and self._look_up_again <= loop.time()):
            lookup = self._lookup = asyncio.create_task(self._look_up())
        await asyncio.wait([lookup])  # cancelling one request does not cancel the lookup
        found = lookup.result()
        if isinstance(found, Exception):
            raise copy(found)  # each with a traceback of its own
        same = [info for info in found if info[0] == found[0][0]]
        other = [info for info in found if info[0] != found[0][0]]
        # The families alternate (RFC 8305, section 4).
        pairs = zip_longest(_rotated(same, self._turn), _rotated(other, self._turn))
        self._turn += 1
        found = [info for pair in pairs for info in pair if info is not None]
        now = loop.time()
        known = {_key(info[4]) for info in found}
        self._avoided = {key: until for key, until in self._avoided.items() if until > now and key in known}
        return sorted(found, key=lambda info: _key(info[4]) in self._avoided)

    def worked(self, found: list[AddressInfo], address: Any) -> None:
        """Avoid the addresses that were tried before the one that worked."""
        if address is None:
            return
        for info in found:
            if _key(info[4]) == _key(address):
                break
            self._avoid(info[4])
        self._avoided.pop(_key(address), None)

    def failed(self, address: Any) -> None:
        """Avoid an address that accepted a connection and then failed. If none accepted one (None), avoid none."""
        if address is None:
            self._avoided.clear()
        else:
            self._avoid(address)

    async def aclose(self) -> None:
        """Stop looking up."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.wait([self._lookup])
            self._lookup = None

    def _avoid(self, address: Any) -> None:
        self._avoided[_key(address)] = asyncio.get_running_loop().time() + AVOID_SECONDS

    async def _look_up(self) -> list[Any] | Exception:
        """Return the addresses, or the error for all requests that wait for them. Errors are not remembered."""
        try:
            found = await look_up(self._host, self._port)
        except Exception as error:  # noqa: BLE001 (raised where the addresses are awaited)
            self._lookup = None
            return error.with_traceback(None)
        self._look_up_again = asyncio.get_running_loop().time() + LOOK_UP_AFTER
        return found


async def look_up(host: str, port: int) -> list[Any]:
    """Return the items of `socket.getaddrinfo`, without a thread if the host is an address."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _rotated(found: list[AddressInfo], by: int) -> list[AddressInfo]:
    start = by % len(found) if found else 0
    return [*found[start:], *found[:start]]


def _key(address: Any) -> tuple[str, int]:
    return address[0], address[1]  # without the flow and scope of IPv6
