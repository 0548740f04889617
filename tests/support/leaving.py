"""Gateways that are asked to shut down while operations wait for the REST API."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from support.commands import started
from support.gateway import TOKEN, GatewayProcess
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.waiting import LIMIT, wait_until

CREATE = """mutation ($id: String!) { createInvitation(
  input: { inviter: "a", invitee: "b", message: {}, trackingId: $id }) { trackingId } }"""
IN_FLIGHT = 16
UPSTREAM_TIMEOUT = 300  # seconds
STATUS = {1: -signal.SIGTERM, 2: 0}
"""The exit status after SIGTERM, by number of workers: a single process dies from the signal itself."""


class HeldUpstream(InvitationsUpstream):
    """A REST API that holds every create until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        super().__init__(self._create)

    def _create(self, request: Request) -> Reply:
        self.released.wait()
        return json_answer(201, {"id": "1", **request.json})

    def tracking_ids(self) -> list[str]:
        """Return the tracking id of each received request."""
        return [call.json["trackingId"] for call in self.calls]


@contextmanager
def held_upstream(kind: type[HeldUpstream] = HeldUpstream) -> Iterator[HeldUpstream]:
    """Run the upstream, and release it at the end so that its threads finish."""
    with kind() as upstream:
        try:
            yield upstream
        finally:
            upstream.released.set()


class Leaving(GatewayProcess):
    """A gateway that will be asked to shut down."""

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the parent process, or to the whole group as a terminal does."""
        (os.killpg if group else os.kill)(self.pid, number)

    def left(self) -> int:
        """Wait for the process to exit, and return its status."""
        return self.command.process.wait(LIMIT)

    def create(self, tracking_id: str) -> bool:
        """Send a mutation; return True if it succeeded, False if it was cut off."""
        body = {"query": CREATE, "variables": {"id": tracking_id}}
        headers = {"Authorization": TOKEN}
        try:
            answer = httpx.post(f"{self.url}/graphql", json=body, headers=headers, timeout=LIMIT, trust_env=False)
        except httpx.TransportError:
            return False
        if answer.status_code == 503:
            assert answer.json()["errors"][0]["extensions"]["outcome"] == "UNKNOWN"
            return False
        assert answer.json() == {"data": {"createInvitation": {"trackingId": tracking_id}}}
        return True

    def accepts(self) -> bool:
        """Return whether the gateway accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), LIMIT).close()
        except ConnectionError:
            return False
        return True


@contextmanager
def leaving(
    upstream: str, workers: int, *, delay: int = 0, limit: int = 300, before: str = "pass"
) -> Iterator[Leaving]:
    """Run `serve` with a shutdown delay and another shutdown timeout than its own, both in seconds.

    `before` is a Python statement to execute first.
    """
    factor = f"from gateway.server import run; run.SHUTDOWN_FACTOR = {limit / UPSTREAM_TIMEOUT}"
    program = [sys.executable, "-c", f"{before}; {factor}; from gateway import cli; cli.main()"]
    words = ["serve", "--port", "0", "--workers", str(workers), "--shutdown-delay", str(delay)]
    api = ["--upstream-url", f"{upstream}/v1.0", "--upstream-timeout", str(UPSTREAM_TIMEOUT)]
    with started(*words, *api, program=program) as command, Leaving(command) as gateway:
        yield gateway


@contextmanager
def creating(gateway: Leaving, upstream: HeldUpstream, count: int = IN_FLIGHT) -> Iterator[list[Future[bool]]]:
    """Send mutations that wait for the upstream until the end of the block."""
    with ThreadPoolExecutor(count) as pool:
        try:
            futures = [pool.submit(gateway.create, str(number)) for number in range(count)]
            wait_until(lambda: len(upstream.calls) == count, "every operation has reached the upstream")
            yield futures
        finally:
            upstream.released.set()
