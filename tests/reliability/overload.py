"""Send ten times the load that the REST API can handle, and measure what the gateway still achieves.

    python -m reliability.overload [--seconds 30] [--capacity 100]

The upstream handles CAPACITY requests per second: `WORKERS` at a time, each for a fixed time. First, enough clients to
keep it busy measure the peak. Then requests arrive at ten times that rate, whether or not earlier ones have been
answered, alternating between reads and creates. Every create has a unique number, and the upstream counts them. Exits
with status 1 if a promise was broken.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from reliability.async_client import Client
from reliability.bottleneck import WORKERS, Bottleneck
from reliability.watched import Watched, allow_descriptors, watched
from support.raw_http import Answer

READ = "query ($key: ID!) { invitation(id: $key) { id } }"
CREATE = """mutation ($key: String!) {
  createInvitation(input: {inviter: "a", invitee: "b", trackingId: $key, message: {}}) { id }
}"""
OVERLOAD = 10
"""The load, as a multiple of the upstream's capacity."""
LIMIT = 10.0
"""The gateway's upstream timeout in seconds: the default."""
GOODPUT = 0.8
"""Minimum goodput, as a share of the peak."""
MEMORY_GROWTH = 10.0
"""MB that the gateway may grow by in the second half."""


GIVEN_UP = 5
"""Requests whose connection the gateway has just closed, but which the upstream still counts."""
CHECK_EVERY = 50
"""Number of requests between two checks of the health endpoints and the page."""


@dataclass(slots=True)
class Load:
    """The results of a load. Times are response times in seconds."""

    seconds: float
    good: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Number of accepted requests that got an error, by code."""
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    checks: int = 0
    """Health checks and pages requested meanwhile."""
    memory: list[float] = field(default_factory=list)
    """In MB, measured once a second."""

    @property
    def goodput(self) -> float:
        """Good responses per second."""
        return self.good / self.seconds


@dataclass(slots=True)
class Figures:
    """The peak, the overload, and the broken promises, one per line."""

    peak: Load
    overload: Load
    asked: int
    """Number of requests in the overload."""
    most_at_once: int
    """Maximum number of concurrent requests at the upstream."""
    sent_twice: int
    wrong: list[str]

    @property
    def growth(self) -> float:
        """Growth in the second half of the overload, in MB."""
        memory = self.overload.memory
        return memory[-1] - memory[len(memory) // 2]

    def __str__(self) -> str:
        load = self.overload
        return (
            f"{self.asked} requests at {self.asked / load.seconds / self.peak.goodput:.1f} times the peak: "
            f"goodput {load.goodput / self.peak.goodput:.0%} of it; {len(load.refused)} refused with 503 "
            f"(p99 {percentile(load.refused, 99) * 1000:.0f} ms); {len(load.accepted)} accepted, "
            f"p99 {percentile(load.accepted, 99):.1f} s of {LIMIT:.0f} s, failed: {dict(load.failed) or 0}; "
            f"at most {self.most_at_once} concurrent upstream requests, {self.sent_twice} creates sent twice, "
            f"{load.checks} health checks and pages answered, {len(self.wrong)} promises broken; "
            f"memory {load.memory[0]:.1f} MB, at the end {load.memory[-1]:.1f} MB, "
            f"{self.growth:+.1f} in the second half"
        )


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile, or 0 if there are no values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0


def run(*, seconds: float, capacity: float, max_operations: int) -> Figures:
    """Measure the peak for a third of the time, then the overload for all of it."""
    allow_descriptors()
    with (
        Bottleneck(capacity) as upstream,
        watched(upstream.url, upstream_timeout=LIMIT, max_operations=max_operations) as gateway,
    ):
        drive = Drive(gateway, upstream, max_operations)
        figures = asyncio.run(drive.run(seconds, int(capacity * OVERLOAD)))
        left = gateway.alive().busy
        if left:
            figures.wrong.append(f"{left} connections are still in use")
    return figures


@dataclass(slots=True)
class Drive:
    """Send the loads to a gateway."""

    gateway: Watched
    upstream: Bottleneck
    max_operations: int
    wrong: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    fates: dict[str, str] = field(default_factory=dict)
    """The result that the client got, by the request's key: `good`, `OVERLOADED` or the outcome."""

    async def run(self, seconds: float, rate: int) -> Figures:
        """Send both loads, and compare the clients' results with the upstream's counts."""
        async with Client(self.gateway.port) as client:
            peak = await self._peak(client, seconds / 3)
            load = await self._overload(client, seconds, rate)
            last = await client.graphql(READ, {"key": "last"})
        if last.json() != {"data": {"invitation": {"id": "last"}}}:
            self.wrong.append(f"the next request was answered {last.status} {last.body!r}")
        sent = self.upstream.times_sent
        for key, fate in self.fates.items():
            if key.startswith("create") and sent[key] != 1 and fate == "good":
                self.wrong.append(f"{key} succeeded and was sent {sent[key]} times")
            if sent[key] and fate in ("OVERLOADED", "NOT_APPLIED"):
                self.wrong.append(f"{key} was told {fate} and was sent {sent[key]} times")
        if self.upstream.most_at_once > self.max_operations + GIVEN_UP:
            self.wrong.append(f"{self.upstream.most_at_once} requests were sent at once")
        twice = sum(times > 1 for key, times in sent.items() if key.startswith("create"))
        return Figures(peak, load, int(seconds * rate), self.upstream.most_at_once, twice, self.wrong)

    async def _peak(self, client: Client, seconds: float) -> Load:
        """Keep the upstream busy: each client sends its next request when it has its response."""
        load = Load(seconds)
        end = time.perf_counter() + seconds

        async def one() -> None:
            while time.perf_counter() < end:
                await self._send(client, load, end)

        await asyncio.gather(*(one() for _ in range(2 * WORKERS)))
        return load

    async def _overload(self, client: Client, seconds: float, rate: int) -> Load:
        """Send requests at a fixed rate, whether or not earlier ones have been answered."""
        load = Load(seconds)
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * rate)):
                await asyncio.sleep(start + number / rate - time.perf_counter())
                group.create_task(self._send(client, load, start + seconds))
                if number % CHECK_EVERY == 0:
                    group.create_task(self._check(client, load))
                if number % rate == 0:
                    load.memory.append(self.gateway.resident())
        load.memory.append(self.gateway.resident())
        return load

    async def _send(self, client: Client, load: Load, end: float) -> None:
        """Send a read or a create; a response after the end does not count as good."""
        number = next(self.numbers)
        key, field_name = (f"create-{number}", "createInvitation") if number % 2 else (f"read-{number}", "invitation")
        started = time.perf_counter()
        answer = await client.graphql(CREATE if number % 2 else READ, {"key": key})
        seconds = time.perf_counter() - started
        if answer.status == 503:
            load.refused.append(seconds)
            self.fates[key] = "OVERLOADED"
            self._check_refusal(answer)
            return
        load.accepted.append(seconds)
        content = answer.json()
        if "errors" in content:
            extensions = content["errors"][0]["extensions"]
            load.failed[extensions["code"]] += 1
            self.fates[key] = extensions.get("outcome", "")
        elif content == {"data": {field_name: {"id": key}}}:
            load.good += time.perf_counter() < end
            self.fates[key] = "good"
        else:
            self.wrong.append(f"{key} was answered {answer.status} {content}")

    def _check_refusal(self, answer: Answer) -> None:
        content = answer.json()
        codes = [error["extensions"]["code"] for error in content["errors"]]
        if (list(content), codes, answer.header("retry-after")) != (["errors"], ["OVERLOADED"], "1"):
            self.wrong.append(f"refused with {answer.headers} {content}")

    async def _check(self, client: Client, load: Load) -> None:
        for answer in (
            await client.get("/healthz"),
            await client.get("/readyz"),
            await client.get("/graphql", "text/html"),
        ):
            load.checks += 1
            if answer.status != 200:
                self.wrong.append(f"a health check or the page was answered {answer.status} {answer.body!r}")


def main() -> int:
    """Print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description="Send ten times the load that the REST API can handle.")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of the overload; default: 30")
    parser.add_argument("--capacity", type=float, default=100.0, help="of the REST API, in requests per second")
    parser.add_argument("--max-operations", type=int, default=4000, help="the gateway's setting; default: 4000")
    options = parser.parse_args()
    figures = run(seconds=options.seconds, capacity=options.capacity, max_operations=options.max_operations)
    for line in figures.wrong[:20]:
        print(line, file=sys.stderr)
    print(figures)
    share = figures.overload.goodput / figures.peak.goodput
    late = percentile(figures.overload.accepted, 99) > LIMIT
    broken = figures.wrong or figures.sent_twice or late or share < GOODPUT or figures.growth > MEMORY_GROWTH
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
