"""The gateway for tests: in this process in front of a given upstream, or as the installed command."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support.servers import serve_app

from gateway.app import create_app
from gateway.settings import Settings

TOKEN = "Bearer token-of-the-test"
LIMIT = 60.0  # seconds, generous for a busy machine
SECRET = re.compile(r"token-of-the-test|5ecret|Jane-Doe|Bearer \S")
"""Matches the tokens and invitation texts of the tests, which no process may print or log."""


class Gateway:
    """A client of a gateway's `/graphql`."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self.url = url
        self._client = client

    def post(self, query: str, variables: object = None, *, authorization: str | None = TOKEN) -> httpx.Response:
        """Send a GraphQL request as frontends do."""
        headers = {"Accept": "application/graphql-response+json, application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = {"query": query, "variables": variables}
        return self._client.post(f"{self.url}/graphql", json=body, headers=headers)

    def raw(self, body: bytes) -> httpx.Response:
        """Send a body, which need not be a GraphQL request."""
        return self._client.post(f"{self.url}/graphql", content=body, headers={"Content-Type": "application/json"})

    def run(self, query: str, variables: object = None, *, authorization: str | None = TOKEN) -> dict[str, Any]:
        """Send a GraphQL request that is executed, and return its response: `data`, and `errors` if any."""
        response = self.post(query, variables, authorization=authorization)
        assert response.status_code == 200, response.text
        content: dict[str, Any] = response.json()
        assert set(content) <= {"data", "errors"}
        return content

    def data(self, query: str, variables: object = None, *, authorization: str | None = TOKEN) -> Any:
        """Send a GraphQL request that must succeed, and return its `data`."""
        content = self.run(query, variables, authorization=authorization)
        assert "errors" not in content, content
        return content["data"]

    def error(self, query: str, variables: object = None, *, authorization: str | None = TOKEN) -> dict[str, Any]:
        """Send a GraphQL request whose only field must fail, and return its only error."""
        content = self.run(query, variables, authorization=authorization)
        assert content["data"] is not None
        assert set(content["data"].values()) == {None}
        (error,) = content["errors"]
        assert set(error) == {"message", "locations", "path", "extensions"}
        return dict(error)

    def refusal(self, query: str, variables: object = None, *, authorization: str | None = TOKEN) -> dict[str, Any]:
        """Send a GraphQL request that must not be executed, and return its first error."""
        response = self.post(query, variables, authorization=authorization)
        assert response.status_code == 400, response.text
        content = response.json()
        assert "data" not in content
        return dict(content["errors"][0])


@contextmanager
def running_gateway(upstream: str, **settings: object) -> Iterator[Gateway]:
    """Run the gateway with these settings in front of an upstream (a base URL without its path)."""
    merged = {"upstream_url": f"{upstream}/v1.0", "upstream_timeout": LIMIT, **settings}
    with (
        serve_app(create_app(Settings.model_validate(merged))) as url,
        httpx.Client(timeout=LIMIT, trust_env=False) as client,
    ):
        yield Gateway(url, client)


def command() -> list[str]:
    """Return the words that start `invitations-gateway`: the console script if the package is installed."""
    script = shutil.which("invitations-gateway", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-c", "from gateway.cli import main; main()"]


def run_command(
    *words: str, variables: Mapping[str, str] | None = None, ulimit: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the gateway until it ends."""
    words = (*_limited(ulimit), *command(), *words)
    return subprocess.run(
        words, env=_environment(variables), capture_output=True, text=True, timeout=LIMIT, check=False
    )


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
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(rf"(http://\S+?){re.escape(path)}\b", self.output)
            if found and _answers(found[1] + path):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"no URL with {path} was served; it printed: {self.output}")

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
    *words: str, variables: Mapping[str, str] | None = None, ulimit: str | None = None
) -> Iterator[RunningCommand]:
    """Start a command of the gateway in a process of its own, and kill it at the end if it is still running.

    `ulimit` contains options of the shell's `ulimit`, such as `-n 1024`.
    """
    process = subprocess.Popen(
        [*_limited(ulimit), *command(), *words],
        env=_environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = RunningCommand(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            # Kill its workers, too: those of a killed parent would keep the port.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
    assert not SECRET.search(running.output), "there is a secret in what it printed or logged"


def _limited(ulimit: str | None) -> list[str]:
    return ["sh", "-c", f'ulimit {ulimit}; exec "$@"', "sh"] if ulimit else []


def _environment(variables: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("GATEWAY_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **(variables or {})}


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=LIMIT, trust_env=False)
    except httpx.TransportError:
        return False
    return True
