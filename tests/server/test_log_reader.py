"""How the gateway and its log behave if nothing reads the log, also at shutdown."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select

import pytest
from support.commands import RunningCommand, command, started
from support.gateway import GatewayProcess
from support.processes import children, need_proc
from support.raw_http import RawConnection, request
from support.servers import free_port
from support.waiting import LIMIT, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and descriptors")

REQUESTS = 4000
"""Their log lines exceed what a pipe and the gateway buffer."""
LONG = b"/" + b"%C3%A4" * 199
LINE = re.compile(r"\S+Z INFO gateway\.access method=GET path=\S+ status=404 ms=\S+ request_id=i{128}")
DROPPED = re.compile(
    r"^\S+Z WARNING gateway\.sink (\d+) log lines were dropped because standard error was blocked$", re.MULTILINE
)


class Unread(GatewayProcess):
    """A gateway whose standard error is read only on request."""

    def __init__(self, command: RunningCommand, descriptor: int) -> None:
        super().__init__(command)
        self.descriptor = descriptor

    def ask(self, count: int, target: bytes = LONG) -> None:
        """Send requests with long log lines, one after another; each must be answered."""
        data = request(None, b"X-Request-Id: " + b"i" * 128, method=b"GET", target=target)
        with RawConnection(self.port) as connection:
            assert {connection.ask(data).status for _ in range(count)} == {404}

    def read_until(self, enough: Callable[[str], object]) -> str:
        """Read the log until it is `enough`, or to its end."""
        # Search only the end: if this reads too slowly, the gateway drops lines.
        found = bytearray()
        while not enough(found[-100_000:].decode("ascii")):
            assert select([self.descriptor], [], [], LIMIT)[0], "nothing to read"
            if not (more := os.read(self.descriptor, 65_536)):
                break
            found += more
        return found.decode("ascii")


@contextmanager
def unread(*words: str, redirect: str = "") -> Iterator[Unread]:
    reading, writing = os.pipe()
    words = ("serve", "--port", "0", "--upstream-url", "http://127.0.0.1:1", *words)
    try:
        with started(*words, sh=f'exec "$@" {redirect}', stderr=writing) as running:
            os.close(writing)
            with Unread(running, reading) as gateway:
                yield gateway
    finally:
        os.close(reading)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unread_log_delays_neither_requests_nor_shutdown(workers: int) -> None:
    with unread("--workers", str(workers)) as gateway:
        gateway.ask(REQUESTS)
        assert gateway.command.stop(signal.SIGTERM) == {1: -signal.SIGTERM, 2: 0}[workers]


def test_dropped_lines_are_counted_once_the_log_is_read_again() -> None:
    with unread() as gateway:
        gateway.ask(REQUESTS)
        log = gateway.read_until(DROPPED.search)
        # Read the rest before shutdown, which allows only two seconds for it.
        gateway.ask(1, b"/last")
        log += gateway.read_until(re.compile("path=/last .*\n").search)
        gateway.command.process.send_signal(signal.SIGTERM)
        log += gateway.read_until(lambda _: False)
    (dropped,) = map(int, DROPPED.findall(log))
    assert dropped > 0
    access = [line for line in log.splitlines() if "gateway.access" in line and "/graphql" not in line]
    assert all(map(LINE.fullmatch, access))
    assert len(access) + dropped == REQUESTS + 1


def test_shutdown_waits_for_the_last_lines() -> None:
    with unread() as gateway:
        gateway.ask(500)
        gateway.command.process.send_signal(signal.SIGTERM)
        log = gateway.read_until(lambda _: False)
    assert log.count("request_id=i") == 500
    assert not DROPPED.search(log)


def test_a_log_without_a_reader_does_not_stop_the_gateway() -> None:
    with unread() as gateway:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, gateway.descriptor)
        os.close(null)
        gateway.ask(500)
        assert gateway.command.stop(signal.SIGTERM) == -signal.SIGTERM


@pytest.mark.parametrize("workers", [1, 2])
def test_no_socket_gets_the_descriptor_of_a_closed_standard_error(workers: int) -> None:
    need_proc()
    with unread("--workers", str(workers), redirect="<&- 2>&-") as gateway:
        gateway.ask(50)
        for process in (gateway.pid, *children(gateway.pid)):
            assert Path(f"/proc/{process}/fd/2").readlink() == Path(os.devnull)
        assert gateway.command.stop(signal.SIGTERM) == {1: -signal.SIGTERM, 2: 0}[workers]


def test_a_gateway_whose_output_is_blocked_from_the_start_serves_and_shuts_down() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    port = free_port()
    words = ["dev", "--port", str(port)]
    with subprocess.Popen([*command(), *words], stdout=writing, stderr=writing) as process:
        try:
            wait_until(lambda: answers(port), "it serves")
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT) == -signal.SIGTERM
        finally:
            process.kill()
            os.close(reading)
            os.close(writing)


def answers(port: int) -> bool:
    try:
        with RawConnection(port) as connection:
            return connection.ask(request(method=b"GET", target=b"/healthz")).status == 200
    except ConnectionError:
        return False


def run_python(code: str, count: int = 1) -> list[str]:
    """Run processes whose standard error is the same pipe, and return its lines."""
    reading, writing = os.pipe()
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(number)], stderr=writing)
        for number in range(count)
    ]
    os.close(writing)
    with os.fdopen(reading) as stream:
        lines = stream.read().splitlines()
    assert [process.wait(LIMIT) for process in processes] == [0] * count
    return lines


def test_the_lines_of_several_processes_are_not_mixed() -> None:
    code = (
        "import sys; from gateway.sink import sink_of\n"
        "for length in range(10_000): sink_of(sys.stderr).write(sys.argv[1] * (length % 150 + 1) + '\\n')"
    )
    lines = run_python(code, 3)
    assert all(len(set(line)) == 1 for line in lines)
    assert sorted(map(len, lines)) == sorted(length % 150 + 1 for length in range(10_000) for _ in range(3))


def test_a_forked_process_writes_only_its_own_lines() -> None:
    code = (
        "import os, sys; from gateway.sink import sink_of\n"
        "sink = sink_of(sys.stderr); sink.write('parent\\n')\n"
        "child = os.fork(); sink.write('child\\n' if not child else 'parent\\n'); sink.drain()\n"
        "child and os.waitpid(child, 0)"
    )
    assert sorted(run_python(code)) == ["child", "parent", "parent"]
