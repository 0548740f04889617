"""Measure a cold start: a new process, to which many clients send their first request at the same time."""

import gc
import selectors
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import click
from benchmarks.lab import Lab
from benchmarks.open_loop import Connection, request_to
from benchmarks.operations import Q1, Operation
from benchmarks.table import number, table

PATIENCE = 60.0
"""Seconds to wait for the last response."""


@dataclass(frozen=True, slots=True)
class Start:
    """When a new process answered its first requests."""

    answered: list[float]
    """Seconds until each response without an error, sorted."""
    clients: int

    def until(self, share: float) -> float:
        """Return the seconds until this share of the clients had a response; infinity if they never had."""
        index = max(round(self.clients * share), 1) - 1
        return self.answered[index] if index < len(self.answered) else float("inf")


def measure(lab: Lab, *, clients: int, delay: float) -> dict[str, list[Start]]:
    """Start each server once in each round; return the starts by server name."""
    starts: dict[str, list[Start]] = {}
    for _ in range(lab.options.rounds):
        for server in lab.servers:
            with lab.loading(server, lab.far(delay)) as generator:
                start = send_at_once(generator.server.url, Q1, clients)
            starts.setdefault(server.name, []).append(start)
            click.echo(f"{server.name:18} {len(start.answered)} answered after {number(start.until(1))} s", err=True)
    return starts


def send_at_once(url: str, operation: Operation, clients: int) -> Start:
    """Connect the clients, send a request of each, and wait for all responses."""
    parts = urlsplit(url)
    request = request_to(url, operation)
    connections = [Connection(parts.hostname or "", parts.port or 80) for _ in range(clients)]
    gc.collect()
    gc.disable()
    try:
        return Start(_send(connections, request), clients)
    finally:
        gc.enable()
        for connection in connections:
            connection.socket.close()


def _send(connections: list[Connection], request: bytes) -> list[float]:
    answered = []
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ, connection)
        start = time.perf_counter()
        for connection in connections:
            connection.send(request, start)
        while selector.get_map() and time.perf_counter() - start < PATIENCE:
            for key, _ in selector.select(1):
                connection = key.data
                try:
                    if connection.read():
                        answered.append(time.perf_counter() - start)
                        selector.unregister(connection)
                except (ValueError, OSError):  # an error, or a broken connection
                    selector.unregister(connection)
    return answered


def show(lab: Lab, starts: dict[str, list[Start]], *, clients: int, delay: float) -> str:
    """Return the table: seconds until the first, the middle and the last response, as medians of the rounds."""
    rows = []
    for server in lab.servers:
        rounds = starts[server.name]
        figures = [number(statistics.median(start.until(share) for start in rounds)) for share in (0, 0.5, 1)]
        errors = sum(start.clients - len(start.answered) for start in rounds)
        rows.append([server.label, *figures, str(errors)])
    what = f"cold start, {clients} clients, REST API over TLS after {delay * 1000:.0f} ms"
    return table([what, "first answer s", "half s", "all s", "errors"], rows)
