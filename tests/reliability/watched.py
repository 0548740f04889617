"""Run `invitations-gateway serve` in its own process, and watch its sockets, tasks, pool and memory."""

import json
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reliability.watched_server import REPORT
from support.commands import started
from support.gateway import GatewayProcess
from support.processes import need_proc, open_sockets
from support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Alive:
    """The resources that a gateway holds."""

    sockets: int
    """The process's sockets, including listening ones."""
    tasks: int
    """The event loop's tasks."""
    pooled: int
    """Connections to the REST API, including idle ones."""
    busy: int
    """Connections in use or being opened, plus requests that wait for one."""


class Watched(GatewayProcess):
    """A running gateway that reports its resources."""

    def alive(self) -> Alive:
        """Return the resources that the process reports."""
        before = self.log().count(REPORT)
        self.command.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.log().count(REPORT) > before and self.log().endswith("\n"), "it reports its resources")
        told = json.loads(self.log().rpartition(REPORT)[2].partition("\n")[0])
        busy = told["open"] - told["idle"] + told["opening"] + told["waiting"]
        return Alive(sockets=open_sockets(self.pid), tasks=told["tasks"], pooled=told["open"], busy=busy)


@contextmanager
def watched(upstream_url: str, *, variables: dict[str, str] | None = None, **settings: object) -> Iterator[Watched]:
    """Run the gateway on a free port in front of a base URL (without `/v1.0`); settings are named in lower case."""
    need_proc()
    given = {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()}
    given |= {"GATEWAY_UPSTREAM_URL": f"{upstream_url}/v1.0", **(variables or {})}
    program = [sys.executable, "-m", "reliability.watched_server"]
    with started("serve", "--port", "0", variables=given, program=program) as command, Watched(command) as gateway:
        yield gateway


def allow_descriptors() -> None:
    """Raise the descriptor limit of this process and its children to the maximum."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
