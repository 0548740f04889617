"""Kill workers with SIGKILL under load, and check which requests fail.

    python -m reliability.killed_worker [--kills 20] [--clients 16]

Kills the worker with the most connections each time, so that every replacement must prove itself. Exits with status 1
if a request failed on a connection of another worker, a worker was not replaced, or a mutation was lost or doubled.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from reliability.operation_load import Figures, load, sandbox_process
from support.gateway import GatewayProcess, gateway_process
from support.processes import children
from support.waiting import wait_until

CAN_BE_WATCHED = Path("/proc/net/tcp").exists()
WORKERS = 2
ROUND = 500
"""Number of responses between two kills."""
ESTABLISHED = "01"


@dataclass(frozen=True, slots=True)
class Kills:
    """The results of the kills."""

    kills: int
    replaced: int
    """Number of kills after which there were as many workers as before."""
    failed_elsewhere: int
    """Number of requests that failed on a connection of another worker."""
    figures: Figures

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def killed_workers(kills: int, clients: int) -> Kills:
    """Kill this many workers, one after another."""
    with (
        sandbox_process() as sandbox,
        gateway_process("serve", "--workers", str(WORKERS), UPSTREAM_URL=f"{sandbox}/v1.0") as gateway,
    ):
        killed: list[int] = []  # client ports of the killed workers' connections
        replaced = 0
        with load(gateway.port, clients) as running:
            for _ in range(kills):
                running.wait_for_answers(ROUND)
                before = set(workers(gateway))
                killed += kill(gateway)
                replaced += is_replaced(gateway, before)
            running.wait_for_answers(ROUND)
        elsewhere = sum(failure.client_port not in killed for failure in running.failures)
        return Kills(kills, replaced, elsewhere, running.figures(sandbox))


def kill(gateway: GatewayProcess) -> list[int]:
    """Kill the worker with the most connections, and return their client ports."""
    worker = max(workers(gateway), key=lambda it: len(client_ports(it, gateway.port)))
    os.kill(worker, signal.SIGSTOP)  # it must not accept another connection while they are counted
    ports = client_ports(worker, gateway.port)
    os.kill(worker, signal.SIGKILL)
    return ports


def is_replaced(gateway: GatewayProcess, before: set[int]) -> bool:
    """Wait for a new worker, and return whether there are as many as before."""

    def replaced() -> bool:
        now = set(workers(gateway))
        return bool(now - before) and len(now) == len(before)

    with suppress(TimeoutError):
        return wait_until(replaced, "there are as many workers as before")
    return False


def workers(gateway: GatewayProcess) -> list[int]:
    """Return the live workers."""
    return [child for child in children(gateway.pid) if b"spawn_main" in _command_line(child)]


def _command_line(process: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def client_ports(process: int, port: int) -> list[int]:
    """Return the client ports of a process's connections on its port."""
    own = set(_sockets(process))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(remote.rpartition(":")[2], 16)
        for _, local, remote, state, *_, inode in (line[:10] for line in lines)
        if inode in own and state == ESTABLISHED and int(local.rpartition(":")[2], 16) == port
    ]


def _sockets(process: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]


def main() -> int:
    """Kill workers, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    if not CAN_BE_WATCHED:
        parser.error("needs Linux's /proc")
    result = killed_workers(options.kills, options.clients)
    print(result)
    bad = result.failed_elsewhere or result.figures.lost or result.figures.doubled
    return 1 if bad or result.replaced < result.kills else 0


if __name__ == "__main__":
    sys.exit(main())
