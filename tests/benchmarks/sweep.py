"""Throughput while one parameter varies: connections, the size of lists, or whether documents are known."""

from dataclasses import dataclass

import click
from benchmarks.lab import Lab
from benchmarks.load import CONNECTIONS, Load
from benchmarks.operations import OPERATIONS, Q1, Operation, listing
from benchmarks.table import number, table


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


def sweep(lab: Lab, points: list[Point]) -> Sweep:
    """Measure each server at each point."""
    loads: Sweep = {}
    for server in lab.servers:
        with lab.loading(server) as generator:
            generator.run(points[0].operation, lab.options.seconds / 2)
            for point in points:
                load = generator.run(point.operation, lab.options.seconds, connections=point.connections, new=point.new)
                loads[server.name, point.label] = load
                progress = f"{server.name:18} {point.label:10} {load.per_second:8.0f}/s  p99 {load.p99:8.2f} ms"
                click.echo(f"{progress}  {load.trouble}", err=True)
    return loads


def show(lab: Lab, loads: Sweep, points: list[Point], what: str) -> str:
    """Return the table: requests per second, 99th percentile in milliseconds, CPU time per request."""
    head = [f"{what}: per s, p99 ms, CPU µs", *(point.label for point in points)]
    rows = []
    for server in lab.servers:
        found = [loads[server.name, point.label] for point in points]
        cells = [
            f"{load.per_second:.0f}, {number(load.p99)}, {load.cpu:.0f}{' !' if load.trouble else ''}" for load in found
        ]
        rows.append([server.label, *cells])
    return table(head, rows)
