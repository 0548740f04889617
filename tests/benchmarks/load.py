"""Closed-loop load by wrk: each connection sends its next request when it has its response."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operations import AUTHORIZATION, Operation
from benchmarks.servers import RunningServer
from benchmarks.upstream import Upstream

CONNECTIONS = 32
"""Number of connections, unless that is what varies."""
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}

_HEAD = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "@authorization@"
"""
_SAME = """
wrk.body = [==[@body@]==]
"""
_NEW = """
local number = @first@
request = function()
  number = number + 1
  return wrk.format(nil, nil, nil, [==[@before@]==] .. string.format("%.0f", number) .. [==[@after@]==])
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a load."""

    requests: int
    per_second: float
    p50: float
    """Latency in milliseconds, like p99."""
    p99: float
    cpu: float
    """CPU microseconds that the server used per request."""
    trouble: str
    """Why the figures are unreliable; empty if they are reliable."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Sends load to one server."""

    server: RunningServer
    upstream: Upstream
    folder: Path
    """For its scripts."""

    def run(self, operation: Operation, seconds: float, *, connections: int = CONNECTIONS, new: bool = False) -> Load:
        """Repeat an operation, each time under a `new` name if requested; check its response before and after."""
        self.server.ask(operation)
        script = self.folder / "load.lua"
        script.write_text(_script(operation, new=new), encoding="utf-8")
        calls, cpu = self.upstream.requests(), self.server.cpu()
        words = ["-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--latency", "--timeout", "30s"]
        done = subprocess.run(
            [shutil.which("wrk") or "wrk", *words, "-s", str(script), self.server.url],
            capture_output=True,
            text=True,
            check=True,
        )
        calls, cpu = self.upstream.requests() - calls - 1, self.server.cpu() - cpu
        self.server.ask(operation)
        return _read(done.stdout, calls, cpu, connections)


def _script(operation: Operation, *, new: bool) -> str:
    head = _HEAD.replace("@authorization@", AUTHORIZATION)
    if not new:
        return head + _SAME.replace("@body@", operation.body.decode())
    before, _, after = operation.named("MARK").body.decode().partition("MARK")
    first = str(time.time_ns() // 1000)
    return head + _NEW.replace("@first@", first).replace("@before@", before + operation.name).replace("@after@", after)


def _read(output: str, calls: int, cpu: float, connections: int) -> Load:
    requests = int(_find(r"(\d+) requests in", output)[1])
    trouble = [found[0] for found in re.finditer(r"Non-2xx.*|Socket errors.*", output)]
    # A GraphQL error can have HTTP status 200, but every success takes one REST call.
    if abs(calls - requests) > connections + requests * 0.01:
        trouble.append(f"{calls} REST calls for {requests} requests")
    return Load(
        requests=requests,
        per_second=float(_find(r"Requests/sec:\s+([\d.]+)", output)[1]),
        p50=_latency("50%", output),
        p99=_latency("99%", output),
        cpu=cpu / max(requests, 1) * 1e6,
        trouble="; ".join(trouble),
    )


def _latency(percentile: str, output: str) -> float:
    found = _find(rf"{percentile}\s+([\d.]+)(us|ms|s|m)\b", output)
    return float(found[1]) * _MILLISECONDS[found[2]]


def _find(pattern: str, output: str) -> re.Match[str]:
    found = re.search(pattern, output)
    if not found:
        raise RuntimeError(f"wrk printed something unexpected:\n{output}")
    return found
