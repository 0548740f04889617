"""Open-loop load: requests are sent at a fixed rate, whether or not earlier ones have been answered.

A request's latency counts from the moment it was due, not from when a connection became free for it: otherwise a
stalled server would also stall the measurement, and its stall would count as a single slow request ("coordinated
omission"). One thread uses `select`, whose timeouts have a resolution of microseconds, where event loops and `epoll`
wait for whole milliseconds; httptools parses the responses.
"""

import gc
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools
from benchmarks.operations import AUTHORIZATION, Operation

CONNECTIONS = 64
DRAIN = 2.0
"""Seconds to wait for the last responses after the last request was due."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The result of a rate. Latencies are in milliseconds, sorted."""

    asked: float
    """Requests per second, like `answered`."""
    answered: float
    latencies: list[float] = field(repr=False)
    """Of the answered requests."""
    unanswered: int
    late: float
    """99th percentile, in milliseconds, of how late the generator itself sent while connections were free.

    Unless it is small compared with the latencies, they are the generator's own.
    """

    def percentile(self, percent: float) -> float:
        """Return a percentile; infinity if too few requests were answered in time."""
        index = int((len(self.latencies) + self.unanswered) * percent / 100)
        return self.latencies[index] if index < len(self.latencies) else float("inf")


class Connection:
    """A keep-alive connection with at most one request in flight."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.answered = False
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.answered = False
        self._body = []
        self.socket.sendall(request)

    def read(self) -> bool:
        """Read what is available; return whether the response is complete. Raises ValueError if it is an error."""
        data = self.socket.recv(262_144)
        if not data:
            raise ValueError("the server closed a connection")
        self._parser.feed_data(data)
        if self.answered and (self._parser.get_status_code() != 200 or b'"errors"' in b"".join(self._body)):
            raise ValueError(f"the server answered {self._parser.get_status_code()} {b''.join(self._body)[:500]!r}")
        return self.answered

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.answered = True


def send_at(rate: float, seconds: float, url: str, operation: Operation) -> Arrivals:
    """Send an operation at a fixed rate (requests per second). Raises ValueError if a response is an error."""
    parts = urlsplit(url)
    connections = [Connection(parts.hostname or "", parts.port or 80) for _ in range(CONNECTIONS)]
    gc.collect()
    gc.disable()
    try:
        return _run(connections, request_to(url, operation), rate, max(int(rate * seconds), 1))
    finally:
        gc.enable()
        for connection in connections:
            connection.socket.close()


def request_to(url: str, operation: Operation) -> bytes:
    """Return the bytes of an HTTP request."""
    parts = urlsplit(url)
    body = operation.body
    lines = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Authorization: {AUTHORIZATION}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _run(connections: list[Connection], request: bytes, rate: float, total: int) -> Arrivals:
    now = time.perf_counter
    idle = deque(connections)
    waiting: deque[float] = deque()  # due times of the requests that wait for a connection
    latencies: list[float] = []
    lateness: list[float] = []
    start = now() + 0.05
    end = start + total / rate + DRAIN
    sent = 0
    while len(latencies) < total and (moment := now()) < end:
        while sent < total and (due := start + sent / rate) <= moment:
            sent += 1
            if idle:
                idle.popleft().send(request, due)
                lateness.append(now() - due)
            else:
                waiting.append(due)
        timeout = (start + sent / rate if sent < total else end) - now()
        for connection in select.select(connections, (), (), max(timeout, 0.0))[0]:
            if connection.read():
                latencies.append((now() - connection.due) * 1000)
                if waiting:
                    connection.send(request, waiting.popleft())
                else:
                    idle.append(connection)
    latencies.sort()
    lateness.sort()
    return Arrivals(
        asked=rate,
        answered=len(latencies) / max(now() - start, total / rate),
        latencies=latencies,
        unanswered=total - len(latencies),
        late=lateness[len(lateness) * 99 // 100] * 1000,
    )
