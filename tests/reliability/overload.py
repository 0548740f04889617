"""Ten times the load that the REST API can carry, and what the gateway still gets done.

    python -m reliability.overload [--seconds 30] [--capacity 100]

The upstream does so many requests a second and no more: `WORKERS` of them at a time, each in its own time. First as
many clients as keep it busy show the peak; then requests arrive at ten times that rate, whether or not the earlier ones
are answered: reads and creates in turn. Every create carries a number of its own, and the upstream counts them. Exits
with 1 when a promise was broken.
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
"""Times the load that the upstream can carry."""
LIMIT = 10.0
"""Seconds of the gateway's time limit: the default."""
GOODPUT = 0.8
"""Of the peak that has to be left."""
MEMORY_GROWTH = 10.0
"""MB that it may have more at the end than in the middle."""


GIVEN_UP = 5
"""Requests whose connection the gateway has closed, and which the upstream sees a moment longer."""
POOL = 100
"""Connections that a gateway opens at the most."""
CHECK_EVERY = 50
"""Requests of the load between two looks at the health checks and the page."""


@dataclass(slots=True)
class Load:
    """What came of a load; times are in seconds, of one answer each."""

    seconds: float
    good: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Accepted and answered with an error: how many of each code."""
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    checks: int = 0
    """Health checks and pages that were answered meanwhile."""
    memory: list[float] = field(default_factory=list)
    """MB, once a second."""

    @property
    def goodput(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds


@dataclass(slots=True)
class Figures:
    """The peak, the overload, and the promises that were broken, each in a line."""

    peak: Load
    overload: Load
    asked: int
    """Requests of the overload."""
    most_at_once: int
    """Requests that the upstream had at the same time."""
    sent_twice: int
    wrong: list[str]

    @property
    def growth(self) -> float:
        """MB in the second half of the overload."""
        memory = self.overload.memory
        return memory[-1] - memory[len(memory) // 2]

    def __str__(self) -> str:
        load = self.overload
        return (
            f"{self.asked} requests at {self.asked / load.seconds / self.peak.goodput:.1f} times the peak: "
            f"goodput {load.goodput / self.peak.goodput:.0%} of it; {len(load.refused)} refused with 503 "
            f"(p99 {percentile(load.refused, 99) * 1000:.0f} ms); {len(load.accepted)} accepted, "
            f"p99 {percentile(load.accepted, 99):.1f} s of {LIMIT:.0f} s, failed: {dict(load.failed) or 0}; "
            f"{self.most_at_once} requests upstream at once at the most, {self.sent_twice} creates sent twice, "
            f"{load.checks} health checks and pages answered, {len(self.wrong)} promises broken; "
            f"memory {load.memory[0]:.1f} MB, at the end {load.memory[-1]:.1f} MB, "
            f"{self.growth:+.1f} in the second half"
        )


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile; 0 where there is nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0


def run(*, seconds: float, capacity: float, max_operations: int) -> Figures:
    """Measure the peak for a third of the seconds, and the overload for all of them."""
    allow_descriptors()
    with (
        Bottleneck(capacity) as upstream,
        watched(upstream.url, upstream_timeout=LIMIT, max_operations=max_operations) as gateway,
    ):
        drive = Drive(gateway, upstream)
        figures = asyncio.run(drive.run(seconds, int(capacity * OVERLOAD)))
        left = gateway.alive().busy
        if left:
            figures.wrong.append(f"{left} slots of the pool are still taken")
    return figures


@dataclass(slots=True)
class Drive:
    """Sends the loads to a gateway."""

    gateway: Watched
    upstream: Bottleneck
    wrong: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    fates: dict[str, str] = field(default_factory=dict)
    """What a request's client was told: `good`, `OVERLOADED` or the outcome, by the request's key."""

    async def run(self, seconds: float, rate: int) -> Figures:
        """Send both loads, and compare what the clients were told with what the upstream saw."""
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
        if self.upstream.most_at_once > POOL + GIVEN_UP:
            self.wrong.append(f"{self.upstream.most_at_once} requests were sent at once")
        twice = sum(times > 1 for key, times in sent.items() if key.startswith("create"))
        return Figures(peak, load, int(seconds * rate), self.upstream.most_at_once, twice, self.wrong)

    async def _peak(self, client: Client, seconds: float) -> Load:
        """Keep the upstream busy: each of these clients sends its next request when it has its answer."""
        load = Load(seconds)
        end = time.perf_counter() + seconds

        async def one() -> None:
            while time.perf_counter() < end:
                await self._send(client, load, end)

        await asyncio.gather(*(one() for _ in range(2 * WORKERS)))
        return load

    async def _overload(self, client: Client, seconds: float, rate: int) -> Load:
        """Send requests at a rate, whether or not the earlier ones are answered."""
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
        """Send a read or a create; what is answered after the end is not counted as good."""
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
    """Print the figures, and give the exit status."""
    parser = argparse.ArgumentParser(description="Send ten times what the REST API can carry.")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the overload; default: 30")
    parser.add_argument("--capacity", type=float, default=100.0, help="of the REST API, requests a second")
    parser.add_argument("--max-operations", type=int, default=1000, help="the gateway's setting; default: 1000")
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
