"""Run the installed commands, each in its own process, and read their output."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.waiting import LIMIT, wait_until

TESTS = Path(__file__).parents[1]
"""The working directory for commands, so that Python finds their modules."""
SECRET = re.compile(r"token-of-the-test|5ecret|Jane-Doe|Bearer \S")
"""Matches the tokens and invitation texts in tests, which no process may print or log."""


def command() -> list[str]:
    """Return the words that start `invitations-gateway`: the console script, if the package is installed."""
    script = shutil.which("invitations-gateway", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-c", "from gateway.cli import main; main()"]


def run_command(
    *words: str, variables: Mapping[str, str] | None = None, ulimit: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the gateway until it ends."""
    words = (*_in_shell(limited(ulimit)), *command(), *words)
    return subprocess.run(
        words, env=environment(variables), cwd=TESTS, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def run_benchmarks(*words: str) -> str:
    """Run `python -m benchmarks` until it ends, and return what it prints. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_one_line_of_error(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Assert that a command failed with a single line that has these parts and no secret."""
    assert result.returncode not in (0, None)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    for part in parts:
        assert part in line
    assert not SECRET.search(line)


class RunningCommand:
    """A command that serves until it is stopped."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """Everything printed so far, on both streams."""
        return "".join(self._lines)

    def url_before(self, path: str) -> str:
        """Wait until a URL with this path is printed and answers; return what comes before the path."""

        def served() -> str | None:
            assert self.process.poll() is None, f"it has exited; it printed: {self.output}"
            found = re.search(rf"(http://\S+?){re.escape(path)}\b", self.output)
            return found[1] if found and _answers(found[1] + path) else None

        try:
            return str(wait_until(served, f"a URL with {path} is served"))
        except TimeoutError as error:
            raise AssertionError(f"{error}; it printed: {self.output}") from error

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(how)
        status = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self._lines.extend(iter(stream.readline, ""))


@contextmanager
def started(
    *words: str,
    variables: Mapping[str, str] | None = None,
    program: Sequence[str] | None = None,
    sh: str | None = None,
    stderr: int = subprocess.STDOUT,
) -> Iterator[RunningCommand]:
    """Start a command of the gateway in its own process, and kill it at the end if it is still running.

    `program` replaces the installed command. `sh` is a line of shell that executes "$@", for example with a limit or a
    redirection.
    """
    process = subprocess.Popen(
        [*_in_shell(sh), *(program or command()), *words],
        env=environment(variables),
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    running = RunningCommand(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            # Kill its workers, too: they would keep the port.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
    assert not SECRET.search(running.output), "it printed or logged a secret"


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment variables, with the gateway's replaced by these."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GATEWAY_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **(variables or {})}


def _in_shell(line: str | None) -> list[str]:
    return ["sh", "-c", line, "sh"] if line else []


def limited(ulimit: str | None) -> str | None:
    """Return a line of shell that runs a command under a limit such as `-n 1024`."""
    return f'ulimit {ulimit}; exec "$@"' if ulimit else None


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=LIMIT, trust_env=False)
    except httpx.TransportError:
        return False
    return True
