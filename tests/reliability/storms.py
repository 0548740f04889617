"""Flood a gateway with pipelined requests, and its connection pool with cancelled waiters; measure the side effects.

    python -m reliability.storms [--clients 40] [--megabytes 10] [--waiters 20000]

Exits with status 1 if the gateway grew by more than 60 MB, or if a waiter stayed in the queue.
"""

import argparse
import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator

import httpx
from support.gateway import GatewayProcess, gateway_before_sandbox
from support.raw_http import AsyncConnection
from support.scripted_upstream import ScriptedUpstream
from support.transports import request_to
from support.upstream_faults import HANGING
from support.waiting import LIMIT, until

from gateway.transport import Transport

TINY = b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
GROWTH = 60
"""Megabytes: several times one read per client. Without a limit, the clients take a gigabyte."""


@contextlib.contextmanager
def flooding(port: int, *, clients: int = 40, size: int = 10_000_000) -> Iterator[None]:
    """Send `size` bytes of small requests from each of many clients; every second client reads no responses."""
    begun = threading.Barrier(2)
    over = threading.Event()
    data = TINY * (size // len(TINY))
    connections: list[AsyncConnection] = []

    async def client(number: int) -> None:
        connection = await AsyncConnection.to(port)
        connections.append(connection)
        connection.send(data)
        while number % 2 == 0 and await connection.read():
            pass

    async def all_clients() -> None:
        tasks = [asyncio.create_task(client(number)) for number in range(clients)]
        await asyncio.sleep(0.5)
        begun.wait(LIMIT)
        await asyncio.to_thread(over.wait)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    thread = threading.Thread(target=asyncio.run, args=(all_clients(),))
    thread.start()
    try:
        begun.wait(LIMIT)
        yield
    finally:
        over.set()
        thread.join(LIMIT)


def pipeline(gateway: GatewayProcess, *, clients: int, size: int, checks: int = 50) -> tuple[float, float]:
    """Return the gateway's growth in megabytes, and the longest response time of `/healthz` in seconds."""
    before = gateway.resident()
    peak = slowest = 0.0
    with flooding(gateway.port, clients=clients, size=size), httpx.Client(timeout=LIMIT, trust_env=False) as client:
        for _ in range(checks):
            started = time.perf_counter()
            assert client.get(f"{gateway.url}/healthz").text == "ok\n"
            slowest = max(slowest, time.perf_counter() - started)
            peak = max(peak, gateway.resident())
    return peak - before, slowest


async def leave(waiters: int, url: str) -> tuple[float, int]:
    """Cancel this many waiters, newest first; return the seconds it took and how many are still in the pool's queue."""
    async with Transport(url, max_response_bytes=1000, max_connections=1) as transport:
        request = request_to(url)
        calls = [asyncio.create_task(transport.handle_async_request(request)) for _ in range(waiters + 1)]
        await until(lambda: transport.connections["waiting"] == waiters)
        started = time.perf_counter()
        for call in reversed(calls):
            call.cancel()
        await asyncio.wait(calls)
        return time.perf_counter() - started, transport.connections["waiting"]


def main() -> int:
    """Measure both, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--waiters", type=int, default=20_000)
    options = parser.parse_args()
    with gateway_before_sandbox() as gateway:
        grown, slowest = pipeline(gateway, clients=options.clients, size=options.megabytes * 1_000_000)
    print(f"{options.clients} clients that pipeline {options.megabytes} MB each: +{grown:.1f} MB", end=", ")
    print(f"/healthz took {slowest * 1000:.0f} ms at most")
    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        seconds, left = asyncio.run(leave(options.waiters, upstream.url))
    print(f"{options.waiters} waiters cancelled, newest first: {seconds:.2f} s, {left} left in the queue")
    return int(grown > GROWTH or left > 0)


if __name__ == "__main__":
    sys.exit(main())
