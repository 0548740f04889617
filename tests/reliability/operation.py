"""Ask the gateway to leave while operations are running, again and again, and count those that were not answered.

    python -m reliability.operation [--rounds 10]

A round is a SIGTERM to one process and one to two workers, each with operations waiting for the REST API, which
answers only once the gateway has stopped listening. Exits with 1 when an operation was lost or sent twice.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from support.gateway import LIMIT, TOKEN, RunningCommand
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer

CREATE = """mutation ($id: String!) { createInvitation(
  input: { inviter: "a", invitee: "b", message: {}, trackingId: $id }) { trackingId } }"""
IN_FLIGHT = 16
UPSTREAM_TIMEOUT = 300  # seconds
STATUS = {1: -signal.SIGTERM, 2: 0}
"""The exit status after a SIGTERM, by the number of workers: a single process ends by the signal itself."""


class HeldUpstream(InvitationsUpstream):
    """A REST API that creates nothing until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        super().__init__(self._create)

    def _create(self, request: Request) -> Reply:
        self.released.wait()
        return json_answer(201, {"id": "1", **request.json})

    def tracking_ids(self) -> list[str]:
        """Return the tracking id of each request that came."""
        return [call.json["trackingId"] for call in self.calls]


@contextmanager
def held_upstream(kind: type[HeldUpstream] = HeldUpstream) -> Iterator[HeldUpstream]:
    """Run the upstream; it is released at the end, so that no thread stays behind."""
    with kind() as upstream:
        try:
            yield upstream
        finally:
            upstream.released.set()


@dataclass(frozen=True, slots=True)
class Leaving:
    """A gateway that will be asked to leave."""

    command: RunningCommand
    url: str

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the parent process, or to all of them as a terminal does."""
        process = self.command.process
        (os.killpg if group else os.kill)(process.pid, number)

    def left(self) -> int:
        """Wait for the exit status."""
        return self.command.process.wait(LIMIT)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=LIMIT, trust_env=False)

    def create(self, tracking_id: str) -> bool:
        """Say whether a mutation was answered with what it did; False when it was cut off."""
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
        """Say whether it listens."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        try:
            socket.create_connection((host, int(port)), LIMIT).close()
        except ConnectionError:
            return False
        return True


@contextmanager
def leaving(
    upstream: str, workers: int, *, delay: int = 0, limit: int = 300, before: str = "pass"
) -> Iterator[Leaving]:
    """Run `serve` with a delay, and with a limit for what is running that is not its own, both in seconds.

    `before` is a statement to be executed first.
    """
    factor = f"from gateway.server import run; run.SHUTDOWN_FACTOR = {limit / UPSTREAM_TIMEOUT}"
    start = f"{before}; {factor}; from gateway import cli; cli.main()"
    words = ["serve", "--port", "0", "--workers", str(workers), "--shutdown-delay", str(delay)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            start,
            *words,
            "--upstream-url",
            f"{upstream}/v1.0",
            "--upstream-timeout",
            str(UPSTREAM_TIMEOUT),
        ],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        command = RunningCommand(process)
        yield Leaving(command, command.url_before("/graphql"))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that has to happen."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT} seconds: {what}"
        time.sleep(0.02)


@contextmanager
def creating(gateway: Leaving, upstream: HeldUpstream, count: int = IN_FLIGHT) -> Iterator[list[Future[bool]]]:
    """Have mutations wait for the upstream."""
    with ThreadPoolExecutor(count) as pool:
        try:
            futures = [pool.submit(gateway.create, str(number)) for number in range(count)]
            wait_until(lambda: len(upstream.calls) == count, "every operation has reached the upstream")
            yield futures
        finally:
            upstream.released.set()


def answered_after_sigterm(workers: int) -> int:
    """Ask to leave while operations are running; give how many of the `IN_FLIGHT` were answered. Each was sent once."""
    with held_upstream() as upstream, leaving(upstream.url, workers) as gateway:
        with creating(gateway, upstream) as answers:
            gateway.send(signal.SIGTERM)
            wait_until(lambda: not gateway.accepts(), "it has stopped listening")
            assert gateway.command.process.poll() is None
            upstream.released.set()
            answered = sum(answer.result() for answer in answers)
        assert gateway.left() == STATUS[workers]
        assert sorted(upstream.tracking_ids()) == sorted(map(str, range(IN_FLIGHT)))
    return answered


def main(rounds: int) -> int:
    """Run the rounds, print the figure, and give the exit status."""
    answered = sum(answered_after_sigterm(workers) for _ in range(rounds) for workers in STATUS)
    running = rounds * len(STATUS) * IN_FLIGHT
    print(json.dumps({"SIGTERMs": rounds * len(STATUS), "running operations": running, "lost": running - answered}))
    return 0 if answered == running else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    sys.exit(main(parser.parse_args().rounds))
