"""Lose responses, kill workers, and retry each mutation with its idempotency key until there is an answer.

    python -m reliability.retries [--store sqlite|redis|redis-nginx] [--invitations 10000] [--clients 64] [--kills 20]

A third of the invitations are sent by `createInvitations`, 20 in a list. The REST API refuses some invitations, and
fails before or after it sends others. Clients hang up on a third of their requests at a random moment, and repeat them.
Four workers share a store: of one gateway, or of two behind nginx (`redis-nginx`). One after another is killed with
SIGKILL, and Redis with it, which then starts again. Exits with status 1 if an invitation was sent twice, one that was
acknowledged was not sent, or an outcome is unknown although the API did not fail for it and nothing was killed while it
was tried.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from reliability.killed_worker import CAN_BE_WATCHED, is_replaced, workers
from reliability.retries_clients import Clients
from reliability.retries_upstream import CountingUpstream, counting_upstream
from support.gateway import GatewayProcess, gateway_process
from support.nginx import MISSING, service
from support.redis import RedisServer, redis_server

STORES = ("sqlite", "redis", "redis-nginx")
WORKERS = 4
TIMEOUT = 5
LEASE_MARGIN = 2
"""Instead of 30 seconds, so that the keys of killed workers are soon unknown."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The results."""

    invitations: int
    in_lists: int
    """Invitations that were sent by `createInvitations`."""
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


@dataclass(frozen=True, slots=True)
class Gateways:
    """Gateways at one port."""

    port: int
    all: list[GatewayProcess]


def retries(store: str, invitations: int, clients: int, kills: int) -> Figures:
    """Send invitations while workers are killed, and Redis if it is the store."""
    with ExitStack() as stack:
        upstream, url = stack.enter_context(counting_upstream())
        redis = None if store == "sqlite" else stack.enter_context(redis_server())
        gateways = stack.enter_context(_gateways(url, redis, behind_nginx=store == "redis-nginx"))
        sending = Clients(gateways.port, invitations)
        killed = asyncio.run(_send_and_kill(gateways, redis, sending, clients, kills))
    return _figures(sending, upstream, killed)


async def _send_and_kill(
    gateways: Gateways, redis: RedisServer | None, sending: Clients, clients: int, kills: int
) -> list[float]:
    """Return the times of the kills."""
    killed = []
    task = asyncio.create_task(sending.run(clients))
    for number in range(kills):
        while sending.finished < len(sending.all) * (number + 1) // (kills + 1) and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        gateway = random.choice(gateways.all)  # noqa: S311 (not a secret)
        before = set(workers(gateway))
        killed.append(time.monotonic())
        os.kill(random.choice(sorted(before)), signal.SIGKILL)  # noqa: S311
        if redis:
            await asyncio.to_thread(redis.kill)
            await asyncio.to_thread(redis.start)
        assert await asyncio.to_thread(is_replaced, gateway, before)
    await task
    return killed


def _figures(sending: Clients, upstream: CountingUpstream, killed: list[float]) -> Figures:
    invitations = sending.all
    unknown = [it for it in invitations if not it.acknowledged]
    by_kills = [it for it in unknown if it.id not in upstream.failed]
    return Figures(
        invitations=len(invitations),
        in_lists=sum(len(it.invitations) for it in sending.mutations if it.is_list),
        requests=sum(it.tries for it in sending.mutations),
        kills=len(killed),
        acknowledged=len(invitations) - len(unknown),
        unknown=len(unknown),
        unknown_because_of_kills=len(by_kills),
        unexplained=sum(not any(it.begun <= kill <= it.ended for kill in killed) for it in by_kills),
        missing=sum(it.acknowledged and not upstream.applied[it.id] for it in invitations),
        doubled=sum(count > 1 for count in upstream.applied.values()),
    )


@contextmanager
def _gateways(upstream: str, redis: RedisServer | None, *, behind_nginx: bool) -> Iterator[Gateways]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # Python imports this module in each process when it starts.
        shorter = f"from gateway.idempotency import once\nonce.LEASE_MARGIN = {LEASE_MARGIN}\n"
        Path(folder, "sitecustomize.py").write_text(shorter, encoding="utf-8")
        store = redis.url if redis else f"sqlite:///{folder}/keys.db"
        if not behind_nginx:
            gateway = stack.enter_context(
                gateway_process(
                    "serve",
                    python_path=folder,
                    UPSTREAM_URL=f"{upstream}/v1.0",
                    UPSTREAM_TIMEOUT=TIMEOUT,
                    WORKERS=WORKERS,
                    IDEMPOTENCY_STORE=store,
                )
            )
            yield Gateways(gateway.port, [gateway])
            return
        variables = {
            "PYTHONPATH": folder,
            "GATEWAY_UPSTREAM_TIMEOUT": str(TIMEOUT),
            "GATEWAY_WORKERS": str(WORKERS // 2),
            "GATEWAY_IDEMPOTENCY_STORE": store,
        }
        behind = stack.enter_context(service(upstream, Path(folder), variables))
        both = [stack.enter_context(GatewayProcess(command)) for command, _ in behind.gateways.values()]
        yield Gateways(behind.port, both)


def main() -> int:
    """Run it, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--invitations", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    if not CAN_BE_WATCHED:
        parser.error("needs Linux's /proc")
    if options.store == "redis-nginx" and MISSING:
        parser.error(f"needs {', '.join(MISSING)}")
    figures = retries(options.store, options.invitations, options.clients, options.kills)
    print(figures)
    return 1 if figures.doubled or figures.missing or figures.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
