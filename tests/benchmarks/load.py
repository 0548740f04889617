"""Closed-loop load by wrk: each connection sends its next request when it has its response."""

import json
import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.operations import AUTHORIZATION, Operation
from benchmarks.servers import RunningServer
from benchmarks.upstream import Upstream

CONNECTIONS = 32
"""Number of connections, unless that is what varies."""
_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "@authorization@"
errors = 0
response = function(status, headers, body)
  if status ~= 200 or body:find('"errors"', 1, true) then errors = errors + 1 end
end
local threads = {}
setup = function(thread) table.insert(threads, thread) end
done = function(summary, latency)
  local broken = summary.errors
  print(string.format('RESULT {"requests": %d, "duration": %d, "p50": %f, "p99": %f, "errors": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), threads[1]:get("errors"),
    broken.connect + broken.read + broken.write + broken.timeout))
end
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
    """Requests without an error per second, from when the REST API could first have answered."""
    p50: float
    """Latency in milliseconds, like p99."""
    p99: float
    cpu: float
    """CPU microseconds that the server used per request."""
    resident: float
    """The server's memory afterwards, in MB."""
    errors: int
    """Number of responses with an error, of broken connections and of requests that took too long."""
    trouble: str
    """Why the figures are unreliable; empty if they are reliable."""

    @property
    def progress(self) -> str:
        """The figures in a line."""
        latency = f"p50 {self.p50:7.2f} ms  p99 {self.p99:7.2f} ms"
        return f"{self.per_second:8.0f}/s  {latency}  {self.resident:5.0f} MB  {self.trouble}"


@dataclass(frozen=True, slots=True)
class Generator:
    """Sends load to one server."""

    server: RunningServer
    upstream: Upstream
    folder: Path
    """For its scripts."""

    def run(self, operation: Operation, seconds: float, *, connections: int = CONNECTIONS, new: bool = False) -> Load:
        """Repeat an operation, each time under a `new` name if requested, and check its response afterwards."""
        calls, cpu = self.upstream.requests(), self.server.cpu()
        result = self._wrk(_script(operation, new=new), max(seconds, 3 * self.upstream.delay), connections)
        calls, cpu = self.upstream.requests() - calls - 1, self.server.cpu() - cpu
        load = self._load(result, calls, cpu, connections)
        try:
            self.upstream.wait_until_idle()
            self.server.ask(operation)
        except OSError:  # TimeoutError is one
            return replace(load, trouble=f"{load.trouble}; it did not recover afterwards".removeprefix("; "))
        return load

    def _wrk(self, script: str, seconds: float, connections: int) -> dict[str, float]:
        file = self.folder / "load.lua"
        file.write_text(script, encoding="utf-8")
        words = ["-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", "--timeout", "30s", "-s", str(file)]
        done = subprocess.run(
            [shutil.which("wrk") or "wrk", *words, self.server.url], capture_output=True, text=True, check=True
        )
        before, _, result = done.stdout.partition("RESULT ")
        if not result:
            raise RuntimeError(f"wrk printed something unexpected:\n{before}")
        found: dict[str, float] = json.loads(result)
        return found

    def _load(self, result: dict[str, float], calls: int, cpu: float, connections: int) -> Load:
        requests, errors = int(result["requests"]), int(result["errors"] + result["broken"])
        trouble = [f"{errors} errors"] if errors else []
        # An error can also look like a success, but every success takes one REST call.
        if abs(calls - requests) > connections + requests * 0.01:
            trouble.append(f"{calls} REST calls for {requests} requests")
        return Load(
            requests=requests,
            per_second=(requests - result["errors"]) / (result["duration"] / 1e6 - self.upstream.delay),
            p50=result["p50"] / 1000 if requests else float("inf"),
            p99=result["p99"] / 1000 if requests else float("inf"),
            cpu=cpu / max(requests, 1) * 1e6,
            resident=self.server.resident(),
            errors=errors,
            trouble="; ".join(trouble),
        )


def _script(operation: Operation, *, new: bool) -> str:
    head = _SCRIPT.replace("@authorization@", AUTHORIZATION)
    if not new:
        return head + _SAME.replace("@body@", operation.body.decode())
    before, _, after = operation.named("MARK").body.decode().partition("MARK")
    first = str(time.time_ns() // 1000)
    return head + _NEW.replace("@first@", first).replace("@before@", before + operation.name).replace("@after@", after)
