"""Compare the servers, near the REST API and far from it: they take turns, and only the ratio within a round counts."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click
from benchmarks.lab import Lab
from benchmarks.load import CONNECTIONS, Load
from benchmarks.operations import OPERATIONS, Q1, M, Operation
from benchmarks.servers import Server
from benchmarks.table import number, table


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the servers are measured."""

    label: str
    operations: tuple[Operation, ...]
    clients: int
    delay: float | None
    """Seconds until the REST API answers, over TLS; None if it answers at once."""


SETTINGS = {
    "near": Setting(f"REST API at once, {CONNECTIONS} clients", OPERATIONS, CONNECTIONS, None),
    "far": Setting("REST API over TLS after 200 ms, 1000 clients", (M, Q1), 1000, 0.2),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one setting, server and operation, with one load per round."""

    loads: list[Load]

    def median(self, figure: Callable[[Load], float]) -> float:
        """Return the median of the rounds."""
        return statistics.median(figure(load) for load in self.loads)

    def ratio(self, base: "Figures") -> float:
        """Return how many times as fast this is, as the median of the rounds."""
        pairs = zip(self.loads, base.loads, strict=True)
        return statistics.median(mine.per_second / max(its.per_second, 1e-9) for mine, its in pairs)


Comparison = dict[tuple[str, str, str], Figures]
"""By names of the setting, the server and the operation."""


def compare(lab: Lab, settings: Sequence[str]) -> Comparison:
    """Measure each server with each operation in each setting, round by round."""
    comparison: Comparison = {}
    for number_of_round in range(1, lab.options.rounds + 1):
        for server in lab.servers:
            for setting in settings:
                click.echo(f"round {number_of_round}  {setting}", err=True)
                _measure(lab, server, setting, comparison)
    return comparison


def _measure(lab: Lab, server: Server, name: str, comparison: Comparison) -> None:
    setting = SETTINGS[name]
    upstream = lab.upstream if setting.delay is None else lab.far(setting.delay)
    with lab.loading(server, upstream) as generator:
        for operation in setting.operations:
            generator.run(operation, lab.options.seconds / 2, connections=setting.clients)
            load = generator.run(operation, lab.options.seconds, connections=setting.clients)
            comparison.setdefault((name, server.name, operation.name), Figures([])).loads.append(load)
            click.echo(f"{server.name:18} {operation.name:3} {load.progress}", err=True)


def show(lab: Lab, comparison: Comparison, base: str) -> str:
    """Return a table for each setting: medians of the rounds, and ratios to one server."""
    names = dict.fromkeys(setting for setting, _, _ in comparison)
    return "\n\n".join(_table(lab, comparison, name, base) for name in names)


def _table(lab: Lab, comparison: Comparison, name: str, base: str) -> str:
    setting = SETTINGS[name]
    head = [setting.label]
    for operation in setting.operations:
        head += [f"{operation.name} per s", f"x {base}", "p50 ms", "p99 ms"]
    rows = []
    for server in lab.servers:
        row, found = [server.label], [comparison[name, server.name, operation.name] for operation in setting.operations]
        for operation, figures in zip(setting.operations, found, strict=True):
            ratio = figures.ratio(comparison[name, base, operation.name])
            latencies = [figures.median(lambda load: load.p50), figures.median(lambda load: load.p99)]
            per_second = figures.median(lambda load: load.per_second)
            row += [f"{per_second:.0f}", number(ratio), *map(number, latencies)]
        resident = max(figures.median(lambda load: load.resident) for figures in found)
        loads = [load for figures in found for load in figures.loads]
        errors = f"{sum(load.errors for load in loads)}{' !' if any(load.trouble for load in loads) else ''}"
        rows.append([*row, f"{resident:.0f}", errors])
    return table([*head, "RSS MB", "errors"], rows)
