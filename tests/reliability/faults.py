"""Send requests into upstream faults, one after another, and check how the gateway handles each.

    python -m reliability.faults [--requests 1000]

Each request meets one fault, on a new or a used connection, over TCP and over TLS. The response must have the right
code and, for a mutation, the right outcome; the upstream counts the requests. After each fault the next mutation must
succeed with a single request. At the end no sockets, tasks or pool slots may be left over. Exits with status 1 if any
of this fails.
"""

import argparse
import contextlib
import itertools
import math
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from reliability.fault_kinds import GOOD, HASTY, WORKING, Fault, Lane, lanes
from reliability.watched import Alive, Watched, watched
from support.gateway import TOKEN
from support.operations import CREATE, GET, LIST, UPDATE, Operation
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection
from support.waiting import LIMIT, wait_until

PASSES = [
    (CREATE, False),
    (GET, True),
    (UPDATE, True),
    (LIST, False),
    (CREATE, True),
    (GET, False),
    (UPDATE, False),
    (LIST, True),
]
"""The passes through a lane's faults: the operation, and whether the connection has been used before."""
MEMORY_GROWTH = 10.0
"""MB that a gateway may grow by in the second half: an allocator's reserves vary."""


@dataclass(slots=True)
class Figures:
    """The results."""

    requests: int = 0
    mutations: int = 0
    faults: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    """Broken promises, one per line."""
    sent_twice: int = 0
    slowest: float = 0.0
    """The longest response time, as a share of the timeout."""
    sockets: int = 0
    tasks: int = 0
    connections: int = 0
    growth: float = 0.0
    """Growth in the second half, in MB, of the gateway that grew most."""

    def __str__(self) -> str:
        return (
            f"{self.requests} faults of {len(self.faults)} kinds, {self.mutations} of them met by mutations: "
            f"{self.sent_twice} mutations sent twice, {len(self.wrong)} promises broken; "
            f"slowest response after {self.slowest:.2f} of the timeout; "
            f"left behind: {self.sockets} sockets, {self.tasks} tasks, {self.connections} connections in use, "
            f"{max(self.growth, 0):.1f} MB in the second half"
        )


def run(requests: int) -> Figures:
    """Send about this many requests into faults, in all lanes concurrently."""
    figures = Figures()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-faults-")))
        other = stack.enter_context(ScriptedUpstream(WORKING))
        drives = [Drive(lane, figures) for lane in stack.enter_context(lanes(folder, other))]
        kinds = sum(len(drive.lane.faults) for drive in drives)
        shares = [math.ceil(requests * len(drive.lane.faults) / kinds) for drive in drives]
        threads = [
            threading.Thread(target=drive.run, args=(share,)) for drive, share in zip(drives, shares, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if other.accepted:
            figures.wrong.append(f"redirects were followed: {other.accepted} connections to the other host")
    return figures


@dataclass(frozen=True, slots=True)
class Drive:
    """Send requests into the faults of one lane."""

    lane: Lane
    figures: Figures

    def run(self, requests: int) -> None:
        """Start a gateway, send this many requests, and check what they leave behind."""
        lane = self.lane
        try:
            with (
                watched(lane.url, variables=lane.variables, upstream_timeout=lane.limit) as gateway,
                httpx.Client(base_url=gateway.url, timeout=LIMIT, trust_env=False) as client,
            ):
                self._run(requests, gateway, client)
        except Exception as error:  # noqa: BLE001  (reported at the end; a thread's exception would be lost)
            self.figures.wrong.append(f"{lane.name}: {error!r}")

    def _run(self, requests: int, gateway: Watched, client: httpx.Client) -> None:
        figures = self.figures
        client.get("/healthz")  # opens the client's connection, so that it is counted before and after
        self._next_succeeds(client)
        before, half = _settled(gateway), gateway.resident()
        meetings = ((fault, *how) for how in itertools.cycle(PASSES) for fault in self.lane.faults)
        for number, (fault, operation, used) in enumerate(itertools.islice(meetings, requests)):
            if number == requests // 2:
                half = gateway.resident()
            self._meet(client, fault, operation, used=used)
        after = _settled(gateway)
        figures.growth = max(figures.growth, gateway.resident() - half)
        figures.sockets += after.sockets - before.sockets
        figures.tasks += after.tasks - before.tasks
        figures.connections += after.busy

    def _meet(self, client: httpx.Client, fault: Fault, operation: Operation, *, used: bool) -> None:
        figures, lane = self.figures, self.lane
        where = f"{lane.name}: {fault.name}, {operation}{', on a used connection' if used else ''}"
        self._prepare(client, fault, used=used)
        started = time.monotonic()
        status, content = _ask(client, operation)
        if lane.limit == HASTY:
            figures.slowest = max(figures.slowest, (time.monotonic() - started) / lane.limit)
        sent = len(lane.upstream.requests) if lane.upstream else 0
        figures.requests += 1
        figures.faults.add(fault.name)
        if operation.is_mutation:
            figures.mutations += 1
            figures.sent_twice += sent > 1
        extensions = content["errors"][0]["extensions"] if "errors" in content else {}
        code, outcome = extensions.get("code"), extensions.get("outcome")
        if status != 200 or not fault.expects(operation, code, outcome, sent):
            figures.wrong.append(f"{where}: answered {status} {code} {outcome}, {sent} requests")
        if not self._next_succeeds(client):
            figures.wrong.append(f"{where}: the next mutation did not succeed")

    def _prepare(self, client: httpx.Client, fault: Fault, *, used: bool) -> None:
        """Make the upstream faulty, from now on or after one good response."""
        lane, upstream = self.lane, self.lane.upstream
        if upstream is None:
            return
        first = upstream.accepted if (used or fault.while_idle) and not fault.in_handshake else None
        ended = threading.Event()

        def script(connection: UpstreamConnection) -> None:
            if lane.tls and not fault.in_handshake:
                connection.start_tls(lane.tls)
            if connection.number == first:
                connection.read_request()
                connection.send(GOOD)
                if fault.while_idle:
                    fault.while_idle(connection)
                    ended.set()
                    connection.wait_until_client_closes()
                    return
            fault.script(connection)

        upstream.script = script
        if first is not None:
            _ask(client, CREATE)
        if fault.while_idle:
            ended.wait(LIMIT)
        upstream.requests.clear()

    def _next_succeeds(self, client: httpx.Client) -> bool:
        """Make the upstream work again, and return whether a mutation succeeds with a single request."""
        upstream, tls = self.lane.upstream, self.lane.tls
        if upstream is None:
            return True

        def script(connection: UpstreamConnection) -> None:
            if tls:
                connection.start_tls(tls)
            WORKING(connection)

        upstream.script = script
        upstream.requests.clear()
        _, content = _ask(client, CREATE)
        return content == {"data": {"createInvitation": {"id": "1"}}} and len(upstream.requests) == 1


def _settled(gateway: Watched) -> Alive:
    """Return what is alive once no request is in flight and idle connections are closed."""
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: gateway.alive().pooled == 0, "idle connections are closed")
    return gateway.alive()


def _ask(client: httpx.Client, operation: Operation) -> tuple[int, dict[str, Any]]:
    response = client.post("/graphql", json={"query": operation.query}, headers={"Authorization": TOKEN})
    return response.status_code, response.json()


def main() -> int:
    """Print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description="Send requests into upstream faults, and check the results.")
    parser.add_argument("--requests", type=int, default=1000, help="default: 1000")
    figures = run(parser.parse_args().requests)
    for line in figures.wrong:
        print(line, file=sys.stderr)
    print(figures)
    left = figures.sockets + figures.tasks + figures.connections
    return 1 if figures.wrong or figures.sent_twice or left or figures.growth > MEMORY_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
