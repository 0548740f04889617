"""Count the Python and C function calls of a request: a figure that does not depend on the machine's load.

The count starts at the ASGI application and ends with its response, with the REST call over a real socket in between,
for a document that is already known. If it grows, the gateway has become slower on every machine.
"""

import gc
import importlib.metadata
import json
import platform
import statistics
import sys
from pathlib import Path
from types import FrameType

from benchmarks.in_process import ask, gateway_app, run_on_its_loop
from benchmarks.operations import OPERATIONS, STORED, C
from starlette.types import ASGIApp
from support.invitations_upstream import InvitationsUpstream, Request, json_answer

COMMITTED = Path(__file__).with_name("hot_path.json")
LIBRARIES = ("graphql-core", "httptools", "httpx", "msgspec", "starlette", "strawberry-graphql", "uvloop")
WARM_UP = 20
REQUESTS = 101


def counted_with() -> dict[str, str]:
    """Return the versions on which the figures depend."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "none"
    return found


def count(log: Path) -> dict[str, int]:
    """Return the calls per request, by operation name. The gateway logs to a file."""
    calls: dict[str, int] = {}
    with InvitationsUpstream(_rest) as upstream:
        run_on_its_loop(_count(f"{upstream.url}/v1.0", log, calls))
    return calls


def committed() -> tuple[dict[str, str], dict[str, int]]:
    """Return the last committed versions and figures."""
    content = json.loads(COMMITTED.read_text(encoding="utf-8"))
    return content["counted_with"], content["calls"]


def renew(calls: dict[str, int]) -> None:
    """Write these figures to the file to commit."""
    content = {"counted_with": counted_with(), "calls": calls}
    COMMITTED.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _rest(request: Request) -> bytes:
    if request.method == "GET" and "?" in request.target:
        return json_answer(200, {"value": [STORED] * 20})
    return json_answer(201 if request.method == "POST" else 200, STORED)


async def _count(upstream_url: str, log: Path, calls: dict[str, int]) -> None:
    app = gateway_app(upstream_url, log)
    for operation in (C, *OPERATIONS):
        body = operation.body
        for _ in range(WARM_UP):
            operation.check(await ask(app, body))
        counter = _Counter()
        gc.disable()  # calls made by garbage collection do not belong to the request
        try:
            counts = [await counter.count(app, body) for _ in range(REQUESTS)]
        finally:
            gc.enable()
        calls[operation.name] = int(statistics.median(counts))


class _Counter:
    """Count the calls in this thread while active."""

    def __init__(self) -> None:
        self._calls = 0

    async def count(self, app: ASGIApp, body: bytes) -> int:
        self._calls = 0
        sys.setprofile(self._see)
        try:
            await ask(app, body)
        finally:
            sys.setprofile(None)
        return self._calls

    def _see(self, _frame: FrameType, event: str, _argument: object) -> None:
        self._calls += event in ("call", "c_call")
