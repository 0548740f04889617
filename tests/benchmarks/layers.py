"""Where the CPU time of a request goes: each layer is measured with those below it; the difference is the layer's own.

All layers call the same canned REST API over sockets, with as many concurrent requests as the throughput test. The
inner layers run inside this process; the outermost is the gateway, served under load.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from benchmarks.in_process import ask, gateway_app, run_on_its_loop
from benchmarks.lab import Lab
from benchmarks.load import CONNECTIONS
from benchmarks.operations import AUTHORIZATION, ID, INPUT, OPERATIONS, Operation
from benchmarks.table import number, table

from gateway.app import MAX_RESPONSE
from gateway.engine import Engine
from gateway.http import GraphQLEndpoint
from gateway.invitations import (
    COLLECTION,
    Caller,
    InvitationMessageBody,
    InvitationsClient,
    InvitationV2Body,
    InvitationV2MessageBody,
)
from gateway.schema import Context, create_schema
from gateway.transport import Transport

LAYERS = (
    "transport: a connection, HTTP out and in, the socket",
    "REST client: the request, typed decoding",
    "engine: plan, resolvers",
    "endpoint: GraphQL over HTTP, JSON",
    "application: routes, request id, log",
    "server: uvicorn, the socket to the client",
)
TURNS = 5
"""Repetitions of each measurement in this process. The fastest counts: it was disturbed least."""

CALLER = Caller(AUTHORIZATION.encode())
Task = Callable[[], Awaitable[object]]
Breakdown = dict[str, list[float]]
"""By operation name: CPU microseconds up to each layer, including the layers below."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The gateway's layers, assembled as in `gateway.app`."""

    transport: Transport
    client: InvitationsClient
    engine: Engine
    endpoint: GraphQLEndpoint

    @classmethod
    def before(cls, upstream_url: str) -> "_Parts":
        transport = Transport(upstream_url, max_response_bytes=MAX_RESPONSE)
        client = InvitationsClient(transport, url=upstream_url)
        engine = Engine(create_schema())
        endpoint = GraphQLEndpoint(engine, context=lambda headers: Context(client.for_caller(Caller.read(headers))))
        return cls(transport, client, engine, endpoint)


def measure(lab: Lab) -> Breakdown:
    """Measure each operation at each layer."""
    breakdown: Breakdown = {operation.name: [] for operation in OPERATIONS}
    with lab.on_server_core():
        run_on_its_loop(_inside(lab.upstream.url, lab.folder / "layers.log", lab.options.seconds, breakdown))
    with lab.loading(lab.gateway()) as generator:
        for operation in OPERATIONS:
            generator.run(operation, lab.options.seconds / 2)
            breakdown[operation.name].append(generator.run(operation, lab.options.seconds).cpu)
    return breakdown


async def _inside(url: str, log: Path, seconds: float, breakdown: Breakdown) -> None:
    parts = _Parts.before(url)
    app = gateway_app(url, log)
    for operation in OPERATIONS:
        body = operation.body
        operation.check(await ask(app, body))

        async def executed(operation: Operation = operation) -> object:
            context = Context(parts.client.for_caller(CALLER))
            return await parts.engine.prepare(operation.query, None).execute(operation.variables, context)

        tasks: list[Task] = [
            _exchange(parts.transport, url, operation),
            _call(parts.client, operation),
            executed,
            lambda body=body: ask(parts.endpoint, body),  # type: ignore[misc]  # mypy cannot infer a default's type
            lambda body=body: ask(app, body),  # type: ignore[misc]  # as above
        ]
        breakdown[operation.name] = [await _cpu(task, seconds) for task in tasks]
    await parts.transport.aclose()


def _exchange(transport: Transport, url: str, operation: Operation) -> Task:
    """Return a task that sends the operation's REST request, already serialized."""
    origin = httpx.URL(url)
    body = b'{"inviter":"urn:li:person:a"}' if operation.name == "M" else b""
    target = origin.path + COLLECTION + {"M": "", "Q1": f"/{ID}", "QL": "?$top=20"}[operation.name]
    headers = {"Host": origin.netloc.decode(), "Authorization": AUTHORIZATION, "Content-Length": str(len(body))}
    extensions = {"target": target.encode(), "timeout": {"pool": 10.0, "connect": 10.0, "read": 10.0}}
    request = httpx.Request(
        "POST" if body else "GET", origin, headers=headers, stream=httpx.ByteStream(body), extensions=extensions
    )

    async def exchange() -> object:
        return await (await transport.handle_async_request(request)).aread()

    return exchange


def _call(client: InvitationsClient, operation: Operation) -> Task:
    message = InvitationV2MessageBody(invitation_template_id="t1", invitation_message=InvitationMessageBody("hi"))
    body = InvitationV2Body(
        created=1484671788434,
        last_modified=1484672192563,
        inviter=INPUT["inviter"],
        invitee=INPUT["invitee"],
        message=message,
        tracking_id=INPUT["trackingId"],
    )
    calls: dict[str, Task] = {
        "M": lambda: client.for_caller(CALLER).create(body),
        "Q1": lambda: client.for_caller(CALLER).get(ID),
        "QL": lambda: client.for_caller(CALLER).page(20, None),
    }
    return calls[operation.name]


async def _cpu(task: Task, seconds: float) -> float:
    """Return the CPU microseconds of one run, with `CONNECTIONS` runs in flight."""
    await _together(task, 20)  # opens the connections, compiles the plans
    times = []
    for _ in range(TURNS):
        start, started, runs = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - started < seconds / TURNS / 2:
            await _together(task, 50)
            runs += 50 * CONNECTIONS
        times.append((time.process_time() - start) / runs)
    return min(times) * 1e6


async def _together(task: Task, times: int) -> None:
    async def repeat() -> None:
        for _ in range(times):
            await task()

    await asyncio.gather(*(repeat() for _ in range(CONNECTIONS)))


def show(breakdown: Breakdown) -> str:
    """Return the table of what each layer adds."""
    rows = []
    for index, layer in enumerate(LAYERS):
        sums = [breakdown[operation.name] for operation in OPERATIONS]
        rows.append([layer, *(number(sums_[index] - (sums_[index - 1] if index else 0)) for sums_ in sums)])
    rows.append(["all", *(number(breakdown[operation.name][-1]) for operation in OPERATIONS)])
    return table(["CPU µs of a request", *(operation.name for operation in OPERATIONS)], rows)
