"""Latency at fixed rates, up to a rate that the server cannot sustain; the median of several rounds counts."""

import click
from benchmarks.lab import Lab
from benchmarks.open_loop import Arrivals, send_at
from benchmarks.operations import Q1, Operation
from benchmarks.servers import Server
from benchmarks.table import number, table

RATES = (100, 200, 400, 800, 1200, 1600, 2400, 3200, 4800, 6400, 8000, 9600, 12_800, 16_000, 19_200)
"""Requests per second."""
KEPT_UP = 0.9
"""Share of the requested rate below which a server is saturated."""

_CEILING = 100_000.0
_ECHO = Operation("ceiling", "", {})

Curves = dict[str, list[Arrivals]]
"""By server name."""


def ceiling(lab: Lab) -> float:
    """Return the requests per second that the generator sustains against nginx alone, which shares its core."""
    return send_at(_CEILING, 0.2, f"{lab.upstream.url}/linkedIn/invitations/any", _ECHO).answered


def measure(lab: Lab) -> Curves:
    """Load each server at increasing rates."""
    if not lab.options.tls:
        click.echo(f"the generator's own ceiling is {ceiling(lab):.0f}/s", err=True)
    return {server.name: list(_climb(lab, server)) for server in lab.servers}


def _climb(lab: Lab, server: Server) -> list[Arrivals]:
    curve = []
    with lab.loading(server) as generator:
        generator.run(Q1, lab.options.seconds)
        for rate in RATES:
            url = generator.server.url
            rounds = [send_at(rate, lab.options.seconds, url, Q1) for _ in range(lab.options.rounds)]
            arrivals = sorted(rounds, key=lambda one: one.percentile(99))[len(rounds) // 2]
            curve.append(arrivals)
            progress = f"{server.name:18} {rate:6}/s asked  {arrivals.answered:8.0f}/s answered"
            click.echo(f"{progress}  p99 {number(arrivals.percentile(99)):>6} ms", err=True)
            if arrivals.answered < rate * KEPT_UP:
                break
    return curve


def show(lab: Lab, curves: Curves) -> str:
    """Return a table for all servers, with one row per rate."""
    rows = []
    for server in lab.servers:
        for arrivals in curves[server.name]:
            percentiles = [number(arrivals.percentile(percent)) for percent in (50, 90, 99, 99.9)]
            figures = [f"{arrivals.asked:.0f}", f"{arrivals.answered:.0f}", *percentiles, number(arrivals.late)]
            rows.append([server.label, *figures])
    head = ["Q1, open loop", "asked per s", "answered", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "sent late ms"]
    return table(head, rows)
