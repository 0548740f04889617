"""The addresses of a host, likeliest to work first."""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, TypeAlias

AddressInfo: TypeAlias = tuple[int, int, int, str, Any]
"""An item that `socket.getaddrinfo` returns."""

REMEMBER_SECONDS = 600.0
"""How long a remembered address overrides the resolver's order: about ten minutes (RFC 6555, section 4.2)."""
MAX_HOSTS = 64


@dataclass
class _Memory:
    until: float
    good: Any = None
    bad: Any = None


class Addresses:
    """Resolves hosts, and remembers which address worked when the first one did not.

    Names are resolved for every connection, so that DNS TTLs hold. `good` is an address that worked after an earlier
    one had failed, `bad` one that accepted a connection that then could not be used.
    """

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], _Memory] = {}

    async def find(self, host: str, port: int) -> list[AddressInfo]:
        """Return the host's addresses. Raises OSError, or ValueError for an invalid host name."""
        found = await look_up(host, port)
        known = self._memory.get((host, port))
        if known and known.until > asyncio.get_running_loop().time():
            found.sort(key=lambda info: (_key(info[4]) == known.bad) - (_key(info[4]) == known.good))
        return found

    def worked(self, host: str, port: int, found: list[AddressInfo], address: Any) -> None:
        """Remember the address that worked, unless it was the first one."""
        if address is not None and _key(address) != _key(found[0][4]):
            memory = self._remember(host, port)
            memory.good = _key(address)
            memory.bad = None if memory.bad == memory.good else memory.bad

    def failed(self, host: str, port: int, address: Any) -> None:
        """Forget the address that worked. An address whose connection could not be used is tried last."""
        if address is not None:
            memory = self._remember(host, port)
            memory.good, memory.bad = None, _key(address)
        elif (host, port) in self._memory:
            self._memory[host, port].good = None

    def _remember(self, host: str, port: int) -> _Memory:
        memory = self._memory.pop((host, port), None) or _Memory(0)
        while len(self._memory) >= MAX_HOSTS:
            del self._memory[next(iter(self._memory))]
        memory.until = asyncio.get_running_loop().time() + REMEMBER_SECONDS
        self._memory[host, port] = memory
        return memory


async def look_up(host: str, port: int) -> list[AddressInfo]:
    """Ask the resolver for the host's addresses."""
    try:  # an IP address needs no thread
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    except socket.gaierror:
        return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _key(address: Any) -> tuple[str, int]:
    return address[0], address[1]  # without IPv6's flow info and scope id
