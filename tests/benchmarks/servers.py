"""The servers to compare: each is one process on its own core, unless it has several workers."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from benchmarks.operations import AUTHORIZATION, Operation
from benchmarks.upstream import Upstream
from support.commands import command
from support.node import node, project
from support.servers import free_port
from support.waiting import wait_until

HERE = Path(__file__).parent
SCHEMA = HERE.parents[1] / "schema.graphql"
STOP_LIMIT = 30.0
ANSWER_LIMIT = 30.0

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that can be started. `{port}` in its words stands for the port to listen on."""

    name: str
    label: str
    words: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    """Number of processes, and of cores."""

    def with_workers(self, workers: int) -> "Server":
        """Return the gateway with this many workers."""
        if workers == self.workers:
            return self
        variables = {**self.variables, "GATEWAY_WORKERS": str(workers)}
        label = f"{self.label}, {workers} workers"
        return replace(self, name=f"{self.name}-{workers}", label=label, variables=variables, workers=workers)


def known_servers(names: tuple[str, ...], *, gateway: str | None, folder: Path) -> list[Server]:
    """Return these servers, ready to start. Installs the Node packages if one needs them."""
    uvicorn = (sys.executable, "-m", "uvicorn", "benchmarks.strawberry_server:app", "--port", "{port}")
    quiet = (*uvicorn, "--no-access-log", "--log-level", "warning")
    words = tuple(shlex.split(gateway)) if gateway else (*command(), "serve")
    servers = [
        Server("gateway", "this gateway, as shipped", words, folder),
        Server("strawberry", "Strawberry as documented, httpx", quiet, HERE.parent),
        Server("strawberry-cached", "Strawberry with caches, aiohttp", quiet, HERE.parent, {"CACHED": "1"}),
    ]
    scripts = {"yoga": "GraphQL Yoga, undici", "mercurius": "Mercurius with jit, undici"}
    if any(name in scripts for name in names):
        place = project(HERE / "node", folder / "node")
        production = {"NODE_ENV": "production", "SCHEMA": str(SCHEMA)}
        servers += [Server(name, label, (*node(), f"{name}.js"), place, production) for name, label in scripts.items()]
    by_name = {server.name: server for server in servers}
    return [by_name[name] for name in names]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is ready for requests."""

    url: str
    """The URL of its GraphQL endpoint."""
    process: "subprocess.Popen[bytes]"

    def ask(self, operation: Operation) -> None:
        """Send an operation once, and check the response. Raises OSError or ValueError."""
        operation.check(_post(self.url, operation.body))

    def resident(self) -> float:
        """Return its memory in MB, including its children's."""
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids()]
        return sum(pages) * _PAGE / 2**20

    def cpu(self) -> float:
        """Return the CPU seconds it has used, in user and kernel mode."""
        times = [_stat(pid)[11:13] for pid in self._pids()]
        return sum(int(user) + int(system) for user, system in times) / _TICK

    def _pids(self) -> list[int]:
        session = str(self.process.pid)
        pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if _stat(pid)[3:4] == [session]]


@contextmanager
def running(server: Server, upstream: Upstream, cores: Sequence[int], folder: Path) -> Iterator[RunningServer]:
    """Start a server on these cores, wait until it is ready, and stop it at the end."""
    port = str(free_port())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment |= {
        "PORT": port,
        "UPSTREAM": upstream.url,
        "GATEWAY_PORT": port,
        "GATEWAY_UPSTREAM_URL": upstream.url,
        **upstream.variables,
        **server.variables,
    }
    words = [word.replace("{port}", port) for word in server.words]
    output = folder / f"{server.name}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [shutil.which("taskset") or "taskset", "-c", ",".join(map(str, cores)), *words],
            cwd=server.folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            started = RunningServer(f"http://127.0.0.1:{port}/graphql", process)
            _wait(started, output)
            yield started
        finally:
            _stop(process)


def _wait(server: RunningServer, output: Path) -> None:
    def answers() -> bool:
        if server.process.poll() is not None:
            printed = output.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise click.ClickException(f"{output.stem} does not answer; it printed:\n{printed}")
        try:
            return bool(_post(server.url, b'{"query": "{ __typename }"}'))
        except OSError:
            return False

    wait_until(answers, f"{output.stem} answers")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _post(url: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Authorization": AUTHORIZATION}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=ANSWER_LIMIT) as answer:
        content: bytes = answer.read()
    return content


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, or none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
