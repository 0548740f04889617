"""Open thousands of slow, idle and abandoned connections, and check that other clients are not affected.

    python -m reliability.slow_clients [--clients 250] [--requests 500]

Opens this many connections of each kind: idle ones, incomplete heads and bodies, clients that request much and read
nothing, and clients that shut down their side but stay. Meanwhile other requests are sent one after another, and each
must be answered. Then all clients disconnect, and the gateway must close their sockets. Exits with status 1 if any of
this fails.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from reliability.async_client import Client
from reliability.watched import Watched, allow_descriptors, watched
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.raw_http import RawConnection
from support.waiting import wait_until

READ = 'query { invitation(id: "1") { id } }'
HEAD = b"POST /graphql HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\n"
PAGE = b"GET /graphql?query=%7B__schema%7Btypes%7Bname%20description%7D%7D%7D HTTP/1.1\r\nHost: gateway.test\r\n\r\n"

KINDS: dict[str, bytes] = {
    "idle": b"",
    "slow head": HEAD + b"X-Slow: ",
    "slow body": HEAD + b'Content-Length: 1000\r\n\r\n{"query": "',
    "slow reader": PAGE * 50,
    "half-open": PAGE,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The results."""

    slow: int
    """Connections that were open during the requests."""
    answered: int
    requests: int
    left: int
    """Sockets that the gateway did not close."""

    def __str__(self) -> str:
        return (
            f"{self.slow} slow, idle and half-open clients; {self.answered} of {self.requests} other requests "
            f"answered; {self.left} sockets left behind"
        )


def run(*, clients: int, requests: int) -> Figures:
    """Send `requests` while this many clients of each kind are connected."""
    allow_descriptors()
    with (
        InvitationsUpstream(always(json_answer(200, {"id": "1"}))) as upstream,
        watched(upstream.url) as gateway,
        contextlib.ExitStack() as crowd,
    ):
        asyncio.run(_ask(gateway, 1))
        before = gateway.alive().sockets
        for kind, first in KINDS.items():
            for _ in range(clients):
                crowd.enter_context(_client(gateway, first, half_open=kind == "half-open"))
        answered = asyncio.run(_ask(gateway, requests))
        crowd.close()
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: gateway.alive().sockets <= before, "the sockets are closed")
        left = max(0, gateway.alive().sockets - before)
    return Figures(clients * len(KINDS), answered, requests, left)


@contextlib.contextmanager
def _client(gateway: Watched, first: bytes, *, half_open: bool) -> Iterator[None]:
    with RawConnection(gateway.port, window=4096) as connection:
        connection.send(first)
        if half_open:
            connection.end()
        yield


async def _ask(gateway: Watched, requests: int) -> int:
    answered = 0
    async with Client(gateway.port) as client:
        for _ in range(requests):
            answer = await client.graphql(READ)
            answered += answer.json() == {"data": {"invitation": {"id": "1"}}}
    return answered


def main() -> int:
    """Print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description="Send requests while other clients are slow, idle or gone.")
    parser.add_argument("--clients", type=int, default=250, help="of each kind; default: 250")
    parser.add_argument("--requests", type=int, default=500, help="sent meanwhile; default: 500")
    options = parser.parse_args()
    figures = run(clients=options.clients, requests=options.requests)
    print(figures)
    return 0 if figures.answered == figures.requests and figures.left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
