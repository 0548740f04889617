"""Lose responses, kill workers, and retry each mutation with its idempotency key until there is an answer.

    python -m reliability.retries [--store sqlite|redis] [--invitations 10000] [--clients 64] [--kills 20]

The REST API refuses some invitations, and fails before or after it sends others. Clients hang up on a third of their
requests at a random moment, and repeat them. Four workers share a store; one after another is killed with SIGKILL, and
Redis with it, which then starts again. Exits with status 1 if an invitation was sent twice, one that was acknowledged
was not sent, or an outcome is unknown although the API did not fail for it and nothing was killed while it was tried.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reliability.killed_worker import CAN_BE_WATCHED, is_replaced, workers
from reliability.retries_upstream import CountingUpstream, counting_upstream
from support.gateway import TOKEN, GatewayProcess, gateway_process
from support.keys import CREATE, INPUT, new_key
from support.raw_http import AsyncConnection, request
from support.redis import RedisServer, redis_server

WORKERS = 4
HANGS_UP = 1 / 3
MAX_PATIENCE = 0.1
"""Maximum seconds before a client hangs up."""
TIMEOUT = 5
LEASE_MARGIN = 5
"""Instead of 30 seconds, so that the keys of killed workers are soon unknown."""


@dataclass(slots=True)
class Invitation:
    """What a client knows of an invitation."""

    key: str = field(default_factory=new_key)
    tries: int = 0
    begun: float = 0.0
    ended: float = 0.0
    acknowledged: bool = False
    """Whether the client got it; otherwise, its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The results."""

    invitations: int
    requests: int
    kills: int
    acknowledged: int
    unknown: int
    unknown_because_of_kills: int
    unexplained: int
    """Unknown, although the API did not fail, and nothing was killed."""
    missing: int
    """Acknowledged, but never sent."""
    doubled: int

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Clients:
    """Clients that send invitations until each has an answer."""

    def __init__(self, port: int, invitations: int) -> None:
        self.all = [Invitation() for _ in range(invitations)]
        self.finished = 0
        self._waiting = iter(self.all)
        self._port = port

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        for invitation in self._waiting:
            invitation.begun = time.monotonic()
            while not invitation.ended:
                invitation.tries += 1
                try:
                    await self._try(invitation)
                except OSError:
                    await asyncio.sleep(0.01)  # lost: try again
            self.finished += 1

    async def _try(self, invitation: Invitation) -> None:
        """Send an invitation, and note a final answer. Raises OSError if the answer is lost."""
        connection = await AsyncConnection.to(self._port)
        input = {**INPUT, "trackingId": invitation.key}
        body = json.dumps({"query": CREATE, "variables": {"key": invitation.key, "input": input}}).encode()
        patience = random.uniform(0, MAX_PATIENCE) if random.random() < HANGS_UP else None  # noqa: S311
        try:
            async with asyncio.timeout(patience):
                answer = await connection.ask(request(body, f"Authorization: {TOKEN}".encode()))
        finally:
            connection.abort()
        await self._note(invitation, answer.json())

    async def _note(self, invitation: Invitation, answer: dict[str, Any]) -> None:
        if "errors" not in answer:
            assert answer["data"]["createInvitation"]["id"] == invitation.key
            invitation.acknowledged = True
        else:
            extensions = answer["errors"][0]["extensions"]
            if extensions["outcome"] == "NOT_APPLIED" or extensions["code"] == "IDEMPOTENCY_IN_PROGRESS":
                await asyncio.sleep(extensions.get("retryAfter", 0))
                return
            assert extensions["outcome"] == "UNKNOWN", answer
        invitation.ended = time.monotonic()


def retries(store: str, invitations: int, clients: int, kills: int) -> Figures:
    """Send invitations while workers are killed, and Redis if it is the store."""
    with ExitStack() as stack:
        upstream, url = stack.enter_context(counting_upstream())
        redis = stack.enter_context(redis_server()) if store == "redis" else None
        gateway = stack.enter_context(_gateway(url, redis))
        sending = Clients(gateway.port, invitations)
        killed = asyncio.run(_send_and_kill(gateway, redis, sending, clients, kills))
    return _figures(sending.all, upstream, killed)


async def _send_and_kill(
    gateway: GatewayProcess, redis: RedisServer | None, sending: Clients, clients: int, kills: int
) -> list[float]:
    """Return the times of the kills."""
    killed = []
    task = asyncio.create_task(sending.run(clients))
    for number in range(kills):
        while sending.finished < len(sending.all) * (number + 1) // (kills + 1) and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        before = set(workers(gateway))
        killed.append(time.monotonic())
        os.kill(random.choice(sorted(before)), signal.SIGKILL)  # noqa: S311
        if redis:
            await asyncio.to_thread(redis.kill)
            await asyncio.to_thread(redis.start)
        assert await asyncio.to_thread(is_replaced, gateway, before)
    await task
    return killed


def _figures(invitations: list[Invitation], upstream: CountingUpstream, killed: list[float]) -> Figures:
    unknown = [it for it in invitations if not it.acknowledged]
    by_kills = [it for it in unknown if it.key not in upstream.failed]
    return Figures(
        invitations=len(invitations),
        requests=sum(it.tries for it in invitations),
        kills=len(killed),
        acknowledged=len(invitations) - len(unknown),
        unknown=len(unknown),
        unknown_because_of_kills=len(by_kills),
        unexplained=sum(not any(it.begun <= kill <= it.ended for kill in killed) for it in by_kills),
        missing=sum(it.acknowledged and not upstream.applied[it.key] for it in invitations),
        doubled=sum(count > 1 for count in upstream.applied.values()),
    )


@contextmanager
def _gateway(upstream: str, redis: RedisServer | None) -> Iterator[GatewayProcess]:
    with tempfile.TemporaryDirectory() as folder:
        # Python imports this module in each process when it starts.
        shorter = f"from gateway.idempotency import once\nonce.LEASE_MARGIN = {LEASE_MARGIN}\n"
        Path(folder, "sitecustomize.py").write_text(shorter, encoding="utf-8")
        with gateway_process(
            "serve",
            python_path=folder,
            UPSTREAM_URL=f"{upstream}/v1.0",
            UPSTREAM_TIMEOUT=TIMEOUT,
            WORKERS=WORKERS,
            IDEMPOTENCY_STORE=redis.url if redis else f"sqlite:///{folder}/keys.db",
        ) as gateway:
            yield gateway


def main() -> int:
    """Run it, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--invitations", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    if not CAN_BE_WATCHED:
        parser.error("needs Linux's /proc")
    figures = retries(options.store, options.invitations, options.clients, options.kills)
    print(figures)
    return 1 if figures.doubled or figures.missing or figures.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
