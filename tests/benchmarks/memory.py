"""The gateway's memory over a million requests: known and new documents, all operations in turn."""

from dataclasses import dataclass
from itertools import cycle

import click
from benchmarks.lab import Lab
from benchmarks.operations import OPERATIONS
from benchmarks.table import table

MILLION = 1_000_000
SHARE_OF_NEW = 5
"""One in this many loads sends only new documents."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The memory after a number of requests."""

    requests: int
    resident: float
    """In MB."""


def watch(lab: Lab, requests: int) -> list[Reading]:
    """Load the gateway with this many requests, and read its memory on the way."""
    with lab.loading(lab.gateway()) as generator:
        readings = [Reading(0, generator.server.resident())]
        for number, operation in enumerate(cycle(OPERATIONS), start=1):
            load = generator.run(operation, lab.options.seconds, new=number % SHARE_OF_NEW == 0)
            readings.append(Reading(readings[-1].requests + load.requests, load.resident))
            progress = f"{readings[-1].requests:8} requests  {readings[-1].resident:6.1f} MB"
            click.echo(f"{progress}  {load.trouble}", err=True)
            if readings[-1].requests >= requests:
                break
    return readings


def show(readings: list[Reading]) -> str:
    """Return the table: a row for each tenth of the requests, and the highest reading."""
    step = readings[-1].requests / 10
    tenths = [next(reading for reading in readings if reading.requests >= step * part) for part in range(11)]
    shown = list(dict.fromkeys([readings[0], readings[1], *tenths]))
    rows = [[str(reading.requests), f"{reading.resident:.1f}"] for reading in shown]
    return table(["after requests", "RSS MB"], [*rows, ["highest", f"{max(one.resident for one in readings):.1f}"]])
