"""Measure in front of a REST API that is far away, by its delay, the number of clients and of the gateway's workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.lab import Lab
from benchmarks.load import Load
from benchmarks.operations import Operation
from benchmarks.servers import Server
from benchmarks.sweep import Point, Sweep, show, sweep


@dataclass(frozen=True, slots=True)
class Far:
    """What was measured in front of one REST API."""

    delay: float
    """In seconds."""
    clients: tuple[int, ...]
    servers: list[Server]
    loads: Sweep
    operation: Operation

    @property
    def points(self) -> list[Point]:
        """The columns."""
        return [Point(f"{count} clients", self.operation, connections=count) for count in self.clients]

    def of(self, server: Server) -> list[Load]:
        """Return a server's loads, by clients."""
        return [self.loads[server.name, point.label] for point in self.points]

    def table(self) -> str:
        """Return the table, with a column for each number of clients."""
        what = f"{self.operation.name} over TLS, answered after {self.delay * 1000:.0f} ms"
        return show(self.servers, self.loads, self.points, what)


def measure(
    lab: Lab, operation: Operation, *, clients: tuple[int, ...], delays: Sequence[float], workers: Sequence[int]
) -> Iterator[Far]:
    """Measure each server with each number of clients; yield the results for each delay."""
    servers = []
    for server in lab.servers:
        servers += [server.with_workers(count) for count in workers] if server.name == "gateway" else [server]
    for delay in delays:
        far = Far(delay, clients, servers, {}, operation)
        far.loads.update(sweep(lab, far.points, servers=servers, upstream=lab.far(delay)))
        yield far
