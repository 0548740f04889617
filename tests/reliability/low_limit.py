"""Connect more clients than a process may open files, and count those without a response.

    python -m reliability.low_limit [--clients 1150] [--limit 1024]

All of them connect while the gateway is paused, so that it accepts them all at once. Each sends a mutation and keeps
its connection until all have their responses. Exits with status 1 if a client was disconnected or got no response,
if a refused mutation was sent or another one was not sent exactly once, or if the gateway does not serve everyone
afterwards.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass

from reliability.watched import allow_descriptors
from support.gateway import TOKEN, GatewayProcess, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.leaving import CREATE
from support.raw_http import AsyncConnection, request
from support.waiting import LIMIT, wait_until

AFTERWARDS = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of the clients."""

    clients: int
    succeeded: int
    refused: int
    """Refused with 503, OVERLOADED and NOT_APPLIED."""
    unanswered: int
    """Disconnected, without a response, or with an unexpected one."""
    sent: int
    """Mutations that reached the REST API."""
    served_afterwards: int

    def good(self) -> bool:
        """Return whether every client knows the outcome of its mutation."""
        return not self.unanswered and self.sent == self.succeeded and self.served_afterwards == AFTERWARDS


def run(*, clients: int, limit: int) -> tuple[Figures, str]:
    """Return the figures and the gateway's log. The limit is the hard limit."""
    allow_descriptors()
    with (
        InvitationsUpstream(_create) as upstream,
        gateway_process("serve", ulimit=f"-n {limit}", UPSTREAM_URL=f"{upstream.url}/v1.0") as gateway,
    ):
        counts = asyncio.run(_ask_at_once(gateway, clients))
        sent = len(upstream.calls)
        afterwards = asyncio.run(_ask_at_once(gateway, AFTERWARDS))["succeeded"]
        if counts["refused"]:
            wait_until(lambda: "were refused with 503" in gateway.log(), "the log says that clients were refused")
        return (
            Figures(clients, counts["succeeded"], counts["refused"], counts["unanswered"], sent, afterwards),
            gateway.log(),
        )


def _create(sent: Request) -> bytes:
    return json_answer(201, {"id": "1", **sent.json})


async def _ask_at_once(gateway: GatewayProcess, clients: int) -> Counter[str]:
    process = gateway.command.process
    process.send_signal(signal.SIGSTOP)
    connections = [await AsyncConnection.to(gateway.port) for _ in range(clients)]
    for number, connection in enumerate(connections):
        body = json.dumps({"query": CREATE, "variables": {"id": str(number)}}).encode()
        connection.send(request(body, f"Authorization: {TOKEN}".encode()))
    process.send_signal(signal.SIGCONT)
    try:
        return Counter(await asyncio.gather(*map(_answer, connections)))
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def _answer(connection: AsyncConnection) -> str:
    try:
        async with asyncio.timeout(LIMIT):
            answer = await connection.receive()
    except (OSError, TimeoutError):
        return "unanswered"
    content = answer.json()
    if answer.status == 200 and "errors" not in content:
        return "succeeded"
    told = content["errors"][0]["extensions"]
    refused = answer.status == 503 and answer.header("retry-after") == "1"
    return "refused" if refused and told == {"code": "OVERLOADED", "outcome": "NOT_APPLIED"} else "unanswered"


def main() -> int:
    """Print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1150)
    parser.add_argument("--limit", type=int, default=1024, help="open files per process; default: 1024")
    options = parser.parse_args()
    figures, _ = run(clients=options.clients, limit=options.limit)
    print(json.dumps(asdict(figures)))
    return 0 if figures.good() else 1


if __name__ == "__main__":
    sys.exit(main())
