"""Throughput while one parameter varies: connections, the size of lists, or whether documents are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import click
from benchmarks.lab import Lab
from benchmarks.load import CONNECTIONS, Load
from benchmarks.operations import OPERATIONS, Q1, Operation, listing
from benchmarks.servers import Server
from benchmarks.table import number, table
from benchmarks.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Point:
    """One column: an operation under one load."""

    label: str
    operation: Operation
    connections: int = CONNECTIONS
    new: bool = False


BY_CONNECTIONS = [Point(f"{count} conn.", Q1, connections=count) for count in (1, 4, 16, 64, 256, 1000)]
BY_SIZE = [Point(f"{size} items", listing(size)) for size in (1, 5, 10, 20, 50, 100)]
COLD = [Point(f"{operation.name} new", operation, new=True) for operation in OPERATIONS]

Sweep = dict[tuple[str, str], Load]
"""By server name and point."""


def sweep(
    lab: Lab, points: Sequence[Point], *, servers: Sequence[Server] = (), upstream: Upstream | None = None
) -> Sweep:
    """Measure each server at each point; by default, all servers in front of the REST API that answers at once."""
    loads: Sweep = {}
    for server in servers or lab.servers:
        with lab.loading(server, upstream) as generator:
            for point in points:
                run = partial(generator.run, point.operation, connections=point.connections, new=point.new)
                run(lab.options.seconds / 2)
                load = run(lab.options.seconds)
                loads[server.name, point.label] = load
                click.echo(f"{server.name:18} {point.label:12} {load.progress}", err=True)
    return loads


def show(servers: Sequence[Server], loads: Sweep, points: Sequence[Point], what: str) -> str:
    """Return the table: requests per second, 99th percentile in milliseconds, CPU time per request, memory."""
    rows = []
    for server in servers:
        found = [loads[server.name, point.label] for point in points]
        rows.append([server.label, *(_cell(load) for load in found)])
    return table([f"{what}: per s, p99 ms, CPU µs, RSS MB", *(point.label for point in points)], rows)


def _cell(load: Load) -> str:
    mark = " !" if load.trouble else ""
    return f"{load.per_second:.0f}, {number(load.p99)}, {load.cpu:.0f}, {load.resident:.0f}{mark}"
