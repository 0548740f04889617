"""What an idempotency key costs: creates without a key, and with one in each store, in turn."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from itertools import count
from pathlib import Path

from benchmarks.in_process import ask, run_on_its_loop
from benchmarks.lab import Lab
from benchmarks.operations import INPUT
from benchmarks.table import number, table
from pydantic import SecretStr
from starlette.types import ASGIApp
from support.redis import redis_server

from gateway.app import create_app
from gateway.sandbox import Store
from gateway.settings import Settings

QUERY = """mutation ($input: CreateInvitationInput!, $key: String) {
  createInvitation(input: $input, idempotencyKey: $key) { id } }"""
CLIENTS = (1, 64)
REQUESTS = {1: 200, 64: 3200}
Timings = dict[tuple[str, int], list[float]]
"""By store and number of clients: milliseconds of a request, in each round."""


def measure(lab: Lab) -> Timings:
    """Measure the application in this process, in front of the canned REST API. Redis shares the load's core."""
    timings: Timings = {}
    with (
        redis_server() as redis,
        lab.on_server_core(),
        tempfile.TemporaryDirectory(dir=Path.home()) as folder,  # /tmp may be in memory
        (lab.folder / "keys.log").open("w", encoding="utf-8") as log,
        redirect_stderr(log),
    ):
        stores = {"SQLite": f"sqlite:///{folder}/keys.db", "Redis": redis.url}
        run_on_its_loop(_measure(lab, stores, timings))
    return timings


async def _measure(lab: Lab, stores: dict[str, str], timings: Timings) -> None:
    settings = Settings(upstream_url=lab.upstream.url)
    apps = {"no key": create_app(settings), "memory": create_app(settings, store=Store())}
    for name, url in stores.items():
        apps[name] = create_app(Settings(upstream_url=lab.upstream.url, idempotency_store=SecretStr(url)))
    for _ in range(lab.options.rounds):
        for name, app in apps.items():
            for clients in CLIENTS:
                bodies = _bodies(with_key=name != "no key")
                timings.setdefault((name, clients), []).append(await _time(app, bodies, clients))


def _bodies(*, with_key: bool) -> Iterator[bytes]:
    for index in count():
        key = f"key-of-the-benchmark-{time.time_ns()}-{index}" if with_key else None
        yield json.dumps({"query": QUERY, "variables": {"input": INPUT, "key": key}}).encode()


async def _time(app: ASGIApp, bodies: Iterator[bytes], clients: int) -> float:
    async def client(requests: int) -> None:
        for _ in range(requests):
            answer = json.loads(await ask(app, next(bodies)))
            if "errors" in answer:
                raise ValueError(answer)

    await client(10)
    start = time.perf_counter()
    requests = REQUESTS[clients]
    await asyncio.gather(*(client(requests // clients) for _ in range(clients)))
    return (time.perf_counter() - start) * 1000 / requests


def show(timings: Timings) -> str:
    """Return a table with one row per store."""
    base = {clients: statistics.median(timings["no key", clients]) for clients in CLIENTS}
    rows = []
    for name in dict.fromkeys(name for name, _ in timings):
        cells = [name]
        for clients in CLIENTS:
            middle = statistics.median(timings[name, clients])
            cells += [number(middle), number(middle / base[clients])]
        rows.append(cells)
    return table(["ms per create", *(cell for it in CLIENTS for cell in (f"{it} clients", "x"))], rows)
