"""The setup of all measurements: the server on one core, the load and the canned REST API on another."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import click
from benchmarks.load import Generator
from benchmarks.servers import Server, known_servers, running
from benchmarks.upstream import Upstream, running_upstream

from gateway.server.descriptors import raise_limit

NAMES = ("gateway", "strawberry", "strawberry-cached", "yoga", "mercurius")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of every measurement."""

    names: tuple[str, ...] = NAMES
    rounds: int = 3
    seconds: float = 5.0
    """Duration of a measurement; half as much is spent on warming up first."""
    quick: bool = False
    """Only show that everything runs."""
    tls: bool = False
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class Lab:
    """The servers, the REST API and the cores."""

    options: Options
    servers: list[Server]
    upstream: Upstream
    """The REST API that answers at once."""
    cores: list[int]
    """The last one is for the load and the REST API."""
    folder: Path
    resources: ExitStack
    _far: dict[float, Upstream] = field(default_factory=dict)

    def far(self, delay: float) -> Upstream:
        """Return the REST API that is far away: over TLS, answering after a delay in seconds."""
        if delay not in self._far:
            folder = self.folder / f"far-{delay}"
            folder.mkdir()
            self._far[delay] = self.resources.enter_context(running_upstream(folder, tls=True, delay=delay))
        return self._far[delay]

    def gateway(self) -> Server:
        """Return the gateway, for measurements of it alone."""
        for server in self.servers:
            if server.name == "gateway":
                return server
        raise click.UsageError("this is measured of the gateway alone: it has to be among the servers")

    @contextmanager
    def loading(self, server: Server, upstream: Upstream | None = None) -> Iterator[Generator]:
        """Start a server, yield its load generator, and stop it."""
        upstream = upstream or self.upstream
        with running(server, upstream, self.cores[: server.workers], self.folder) as started:
            yield Generator(started, upstream, self.folder)

    @contextmanager
    def on_server_core(self) -> Iterator[None]:
        """Measure this process itself: move it to the server's core, and trust the REST API's certificate."""
        os.sched_setaffinity(0, {self.cores[0]})
        try:
            with patch.dict(os.environ, self.upstream.variables):
                yield
        finally:
            os.sched_setaffinity(0, {self.cores[-1]})


@contextmanager
def lab(options: Options) -> Iterator[Lab]:
    """Install what is missing, start the REST API, and keep this process on the load's core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        raise click.ClickException("this needs Linux, and two cores: one for the server, one for the load")
    missing = [name for name in ("nginx", "wrk", "taskset", "openssl") if not shutil.which(name)]
    if missing:
        raise click.ClickException(f"not on the PATH: {', '.join(missing)} (Debian: apt-get install nginx-light wrk)")
    raise_limit()  # for nginx, wrk and the servers, which inherit it
    with tempfile.TemporaryDirectory(prefix="gateway-benchmark-") as place, ExitStack() as resources:
        folder = Path(place)
        servers = known_servers(options.names, gateway=options.gateway, folder=folder)
        resources.callback(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, {cores[-1]})
        upstream = resources.enter_context(running_upstream(folder, tls=options.tls))
        yield Lab(options, servers, upstream, cores, folder, resources)
