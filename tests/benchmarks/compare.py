"""Compare throughput: the servers take turns, and only the ratio within a round counts."""

import statistics
from dataclasses import dataclass

import click
from benchmarks.lab import Lab
from benchmarks.load import Load
from benchmarks.operations import OPERATIONS
from benchmarks.servers import Server
from benchmarks.table import number, table


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one server and operation, with one entry per round."""

    loads: list[Load]
    resident: list[float]
    """In MB."""

    @property
    def per_second(self) -> float:
        """The median of the rounds."""
        return statistics.median(load.per_second for load in self.loads)

    @property
    def p99(self) -> float:
        """The median of the rounds, in milliseconds."""
        return statistics.median(load.p99 for load in self.loads)

    def ratio(self, base: "Figures") -> float:
        """Return how many times as fast this is, as the median of the rounds."""
        pairs = zip(self.loads, base.loads, strict=True)
        return statistics.median(mine.per_second / its.per_second for mine, its in pairs)


Comparison = dict[tuple[str, str], Figures]
"""By server and operation name."""


def compare(lab: Lab) -> Comparison:
    """Measure each server with each operation, round by round."""
    comparison: Comparison = {}
    for number_of_round in range(1, lab.options.rounds + 1):
        for server in lab.servers:
            _measure(lab, server, comparison, number_of_round)
    return comparison


def _measure(lab: Lab, server: Server, comparison: Comparison, number_of_round: int) -> None:
    with lab.loading(server) as generator:
        for operation in OPERATIONS:
            generator.run(operation, lab.options.seconds / 2)
            load = generator.run(operation, lab.options.seconds)
            figures = comparison.setdefault((server.name, operation.name), Figures([], []))
            figures.loads.append(load)
            figures.resident.append(generator.server.resident())
            progress = f"round {number_of_round}  {server.name:18} {operation.name:3} {load.per_second:8.0f}/s"
            click.echo(f"{progress}  p99 {load.p99:7.2f} ms  {load.trouble}", err=True)


def show(lab: Lab, comparison: Comparison, base: str) -> str:
    """Return the table: medians, ratios to one server, peak memory; `!` marks unreliable figures."""
    head = ["one process on one core"]
    for operation in OPERATIONS:
        head += [f"{operation.name} per s", f"x {base}", "p99 ms"]
    rows = []
    for server in lab.servers:
        row = [server.label]
        for operation in OPERATIONS:
            figures = comparison[server.name, operation.name]
            ratio = figures.ratio(comparison[base, operation.name])
            mark = " !" if any(load.trouble for load in figures.loads) else ""
            row += [f"{figures.per_second:.0f}{mark}", number(ratio), number(figures.p99)]
        resident = max(max(comparison[server.name, operation.name].resident) for operation in OPERATIONS)
        rows.append([*row, f"{resident:.0f}"])
    return table([*head, "RSS MB"], rows)
