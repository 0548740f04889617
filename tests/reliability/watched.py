"""`invitations-gateway serve` in a process of its own, with what is alive in it: sockets, tasks, pool and memory."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reliability.watched_server import REPORT
from support.gateway import LIMIT, RunningCommand
from support.requirements import need


@dataclass(frozen=True, slots=True)
class Alive:
    """What a gateway holds at a moment."""

    sockets: int
    """Descriptors of the process that are sockets, those that it listens on included."""
    tasks: int
    """Of its event loop."""
    pooled: int
    """Connections to the REST API, idle ones included."""
    busy: int
    """Slots of the pool that are taken for no idle connection, and requests that wait for one."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A running gateway."""

    url: str
    """`http://127.0.0.1:port`, without a slash at the end."""
    command: RunningCommand

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.command.process.pid

    def alive(self) -> Alive:
        """Ask the process what it holds."""
        before = self.command.output.count(REPORT)
        self.command.process.send_signal(signal.SIGUSR1)
        eventually(lambda: self.command.output.count(REPORT) > before and self.command.output.endswith("\n"))
        told = json.loads(self.command.output.rpartition(REPORT)[2].partition("\n")[0])
        busy = told["slots"] - told["idle"] + told["waiting"]
        return Alive(sockets=open_sockets(self.pid), tasks=told["tasks"], pooled=told["open"], busy=busy)

    def resident(self) -> float:
        """Return its resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def watched(upstream_url: str, *, variables: dict[str, str] | None = None, **settings: object) -> Iterator[Watched]:
    """Run the gateway on a free port in front of a base URL (without `/v1.0`); settings are named in lower case."""
    need(Path("/proc/self/fd").exists(), "there is no /proc to count sockets in")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GATEWAY_")}
    given = {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**kept, "GATEWAY_UPSTREAM_URL": f"{upstream_url}/v1.0", **given, **(variables or {})}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "reliability.watched_server", "serve", "--port", "0"],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    command = RunningCommand(process)
    try:
        yield Watched(command.url_before("/graphql"), command)
    finally:
        process.kill()
        process.wait(LIMIT)


def open_sockets(pid: int) -> int:
    """Return how many descriptors of a process are sockets."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += descriptor.readlink().name.startswith("socket:")
        except FileNotFoundError:  # closed since the folder was read
            continue
    return count


def allow_descriptors() -> None:
    """Let this process, and those that it starts, have as many descriptors as the machine allows."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.01)
