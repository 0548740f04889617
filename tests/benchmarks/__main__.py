"""Benchmarks of the gateway: `python -m benchmarks --help`."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from benchmarks import cold_start as starting
from benchmarks import compare as throughput
from benchmarks import delays as far_away
from benchmarks import hot_path as calls
from benchmarks import keys as idempotency
from benchmarks import layers as cpu
from benchmarks import memory as resident
from benchmarks import rates as latency
from benchmarks import sweep as sweeps
from benchmarks.arguments import Numbers
from benchmarks.engine import compare as compare_engines
from benchmarks.engine import gateway_engine, graphql_core
from benchmarks.lab import NAMES, Lab, Options, lab
from benchmarks.operations import OPERATIONS
from benchmarks.picture import draw

QUICK_ROUNDS, QUICK_SECONDS, QUICK_REQUESTS = 1, 1.0, 10_000
COLD_RUNS = 100
DELAY = 0.2
"""Seconds until the REST API answers, for the picture and the cold start."""


@dataclass(slots=True)
class Session:
    """State shared by the commands of one run."""

    options: Options
    base: str
    made: Lab | None = None

    def lab(self) -> Lab:
        """Return the lab, set up on first use; the root context takes it down."""
        if self.made is None:
            self.made = click.get_current_context().find_root().with_resource(_lab(self.options))
        return self.made


@contextmanager
def _lab(options: Options) -> Iterator[Lab]:
    try:
        with lab(options) as made:
            yield made
    except pytest.skip.Exception as missing:  # a test would be skipped for this; a user gets a message
        raise click.ClickException(str(missing)) from None


@click.group(chain=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--servers", default=",".join(NAMES), show_default=True, help="servers to measure, separated by commas")
@click.option("--base", default="strawberry", show_default=True, help="the server to compare the others with")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100), help="rounds per server")
@click.option(
    "--seconds", default=5.0, show_default=True, type=click.FloatRange(1, 600), help="duration of a measurement"
)
@click.option("--quick", is_flag=True, help="one round of one second: only shows that everything runs")
@click.option("--tls", is_flag=True, help="connect to the REST API that answers at once over TLS")
@click.option("--gateway", help="start the gateway with this command; it reads GATEWAY_PORT and GATEWAY_UPSTREAM_URL")
@click.pass_context
def main(  # noqa: PLR0913, PLR0917 (one for each option)
    context: click.Context,
    servers: str,
    base: str,
    rounds: int,
    seconds: float,
    quick: bool,
    tls: bool,
    gateway: str | None,
) -> None:
    """Measure the gateway and other GraphQL servers that do the same work, in front of the same canned REST API.

    Each server is one process on one core; the load and the REST API (nginx) run on another. Responses are checked
    before and after each measurement. M creates an invitation, Q1 reads one, QL lists 20. Only ratios within one run
    are meaningful, and only if nothing else is busy. Several commands can be given, after the options.

    Needs Linux with two cores, nginx and wrk on the PATH, and what pip install '.[test]' installs. The Node servers'
    packages are installed from npm into the user's cache folder, as listed in package-lock.json.
    """
    names = tuple(servers.split(","))
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: must be of {', '.join(NAMES)}", param_hint="--servers")
    options = Options(
        names, QUICK_ROUNDS if quick else rounds, QUICK_SECONDS if quick else seconds, quick, tls, gateway
    )
    context.obj = Session(options, base if base in names else names[0])


@main.command()
@click.option("--settings", default=",".join(throughput.SETTINGS), show_default=True, help="where to compare them")
@click.pass_obj
def compare(session: Session, settings: str) -> None:
    """Compare throughput, latency and memory, near and far from the REST API.

    near: it answers at once, to 32 clients. far: over TLS, after 200 ms, to 1000 clients.
    """
    names = settings.split(",")
    if not set(names) <= set(throughput.SETTINGS):
        raise click.BadParameter(f"must be of {', '.join(throughput.SETTINGS)}", param_hint="--settings")
    comparison = throughput.compare(session.lab(), names)
    click.echo(throughput.show(session.lab(), comparison, session.base) + "\n")


@main.command()
@click.option("--clients", default="10,100,1000,3000,5000", show_default=True, type=Numbers(int, least=1))
@click.option(
    "--delays", "seconds", default="0,0.05,0.2,0.5,1", show_default=True, type=Numbers(float, least=0), help="seconds"
)
@click.option("--workers", default="1,2", show_default=True, type=Numbers(int, least=1), help="of the gateway")
@click.option("--operation", default="Q1", show_default=True, type=click.Choice([one.name for one in OPERATIONS]))
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="draw the results as SVG")
@click.pass_obj
def delays(  # noqa: PLR0913, PLR0917 (one for each option)
    session: Session,
    clients: tuple[int, ...],
    seconds: tuple[float, ...],
    workers: tuple[int, ...],
    operation: str,
    picture: Path | None,
) -> None:
    """Measure throughput with 10 to 5000 clients while the REST API takes 0 to 1 second, over TLS.

    With two workers, the gateway uses two cores; on a machine with two, the load and the REST API are on one of them.
    The picture shows a delay of 0.2 seconds, or the longest if that is not measured.
    """
    (measured,) = [one for one in OPERATIONS if one.name == operation]
    results = []
    for far in far_away.measure(session.lab(), measured, clients=clients, delays=seconds, workers=workers):
        click.echo(far.table() + "\n")
        results.append(far)
    if picture:
        shown = next((far for far in results if far.delay == DELAY), results[-1])
        picture.write_text(draw(shown), encoding="utf-8")


@main.command()
@click.option("--clients", default=1000, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--delay", default=DELAY, show_default=True, type=click.FloatRange(0, 10), help="seconds")
@click.pass_obj
def cold_start(session: Session, clients: int, delay: float) -> None:
    """Send one request of each of 1000 clients at the same time to a new process, over TLS to the REST API."""
    starts = starting.measure(session.lab(), clients=clients, delay=delay)
    click.echo(starting.show(session.lab(), starts, clients=clients, delay=delay) + "\n")


@main.command()
@click.pass_obj
def rates(session: Session) -> None:
    """Measure latency at fixed rates (open loop), up to saturation."""
    click.echo(latency.show(session.lab(), latency.measure(session.lab())) + "\n")


@main.command()
@click.pass_obj
def connections(session: Session) -> None:
    """Measure throughput with 1 to 1000 connections."""
    _sweep(session, sweeps.BY_CONNECTIONS, "Q1")


@main.command()
@click.pass_obj
def lists(session: Session) -> None:
    """Measure throughput of lists of 1 to 100 invitations."""
    _sweep(session, sweeps.BY_SIZE, "QL")


@main.command()
@click.pass_obj
def cold(session: Session) -> None:
    """Send only new documents, and compare the CPU time with graphql-core's own."""
    _sweep(session, sweeps.COLD, "new documents")
    engines = {"graphql-core": graphql_core(warm=False), "engine": gateway_engine()}
    click.echo("parse, validate, execute, without HTTP: ratios to graphql-core alone")
    with session.lab().on_server_core():
        asyncio.run(compare_engines(engines, COLD_RUNS // (10 if session.options.quick else 1), cold=True))
    click.echo()


@main.command()
@click.pass_obj
def layers(session: Session) -> None:
    """Show where the CPU time of a request to the gateway goes."""
    click.echo(cpu.show(cpu.measure(session.lab())) + "\n")


@main.command()
@click.pass_obj
def keys(session: Session) -> None:
    """Measure what an idempotency key costs, in each store."""
    click.echo(idempotency.show(idempotency.measure(session.lab())) + "\n")


@main.command()
@click.option("--requests", default=resident.MILLION, show_default=True, type=click.IntRange(1), help="total number")
@click.pass_obj
def memory(session: Session, requests: int) -> None:
    """Watch the gateway's memory over a million requests."""
    readings = resident.watch(session.lab(), QUICK_REQUESTS if session.options.quick else requests)
    click.echo(resident.show(readings) + "\n")


@main.command()
@click.option("--renew", is_flag=True, help="write these figures to the file that the test compares with")
@click.option("--json", "as_json", is_flag=True, help="print the figures as JSON")
def hot_path(renew: bool, as_json: bool) -> None:
    """Count the function calls of a request, which CI checks."""
    with tempfile.TemporaryDirectory() as folder:
        counted = calls.count(Path(folder) / "log")
    if as_json:
        click.echo(json.dumps(counted))
        return
    _, before = calls.committed()
    for name, figure in counted.items():
        click.echo(f"{name:3} {figure:5} calls, committed: {before.get(name)}")
    if renew:
        calls.renew(counted)


def _sweep(session: Session, points: list[sweeps.Point], what: str) -> None:
    loads = sweeps.sweep(session.lab(), points)
    click.echo(sweeps.show(session.lab().servers, loads, points, what) + "\n")


if __name__ == "__main__":
    main()
