"""The undocumented behaviour of uvicorn that the server relies on."""

import asyncio
import inspect
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from support.written import Written
from uvicorn.supervisors import multiprocess

from gateway.server import uvicorn_internals as internals
from gateway.server.cycle import Cycle
from gateway.server.deadlines import DeadlineProtocol
from gateway.server.protocol import HttpProtocol, _Flow
from gateway.server.shutdown import Server
from gateway.server.workers import Workers

EXTENDED = {
    DeadlineProtocol: "connection_made connection_lost pause_writing resume_writing",
    HttpProtocol: "connection_made data_received eof_received connection_lost on_message_begin on_headers_complete "
    "on_body on_message_complete on_response_complete",
    internals.HttpToolsProtocol: "_start_asgi_task",
    Cycle: "send",
    _Flow: "resume_reading",
    Server: "shutdown",
    Workers: "terminate_all join_all handle_int",
}
"""Methods called by uvicorn that the server replaces or extends."""
CYCLE = (
    *("keep_alive", "scope", "message_event", "response_started", "response_complete", "disconnected"),
    *("waiting_for_100_continue", "default_headers", "flow", "transport", "on_response"),
)
"""Attributes of a request and its response that the server reads and sets."""


async def application(_: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def connected(class_: type[Any]) -> tuple[Any, Written]:
    """Connect a protocol as uvicorn's server does."""
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    config.load()
    protocol = class_(config=config, server_state=internals.ServerState(), app_state={})
    transport = Written()
    protocol.connection_made(transport)
    return protocol, transport


async def answered(protocol: Any, request: bytes = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n") -> None:
    protocol.data_received(request)
    while not protocol.cycle.response_complete:  # noqa: ASYNC110  # a few iterations of the loop
        await asyncio.sleep(0)


@pytest.mark.parametrize("class_", EXTENDED, ids=lambda class_: class_.__name__)
def test_each_extended_method_exists_in_uvicorn(class_: type) -> None:
    base = next(it for it in class_.__mro__ if it.__module__.startswith("uvicorn."))
    for name in EXTENDED[class_].split():
        assert name in vars(class_), name
        ours, theirs = (list(inspect.signature(getattr(it, name)).parameters) for it in (class_, base))
        assert ours == theirs, name


def test_a_protocol_has_the_attributes_that_the_server_reads_and_sets() -> None:
    async def check() -> None:
        protocol, transport = await connected(internals.HttpToolsProtocol)
        assert protocol.loop is asyncio.get_running_loop()
        assert protocol.transport is transport
        assert isinstance(protocol.flow, internals.FlowControl)
        assert protocol in protocol.server_state.connections
        assert (protocol.headers, protocol.cycle) == (None, None)
        assert protocol.timeout_keep_alive == 5
        protocol.connection_lost(None)
        assert protocol not in protocol.server_state.connections
        assert protocol.parser is None

    asyncio.run(check())


def test_a_request_has_a_cycle_and_its_response_is_written_in_two_parts() -> None:
    async def check() -> None:
        protocol, transport = await connected(internals.HttpToolsProtocol)
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert protocol.headers == [(b"host", b"a")]
        for name in CYCLE:
            assert hasattr(protocol.cycle, name), name
        await answered(protocol, b"")
        head, body = transport.parts
        assert head.startswith(b"HTTP/1.1 200 ")
        assert head.endswith(b"\r\n\r\n")
        assert body == b"ok"

    asyncio.run(check())


def test_an_application_that_waits_for_a_body_resumes_reading() -> None:
    async def check() -> None:
        protocol, _ = await connected(internals.HttpToolsProtocol)
        protocol.flow.pause_reading()
        assert protocol.flow.read_paused
        await answered(protocol)
        assert not protocol.flow.read_paused

    asyncio.run(check())


def test_a_complete_response_reads_no_more_of_the_body() -> None:
    async def check() -> None:
        protocol, _ = await connected(internals.HttpToolsProtocol)
        await answered(protocol, b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc")
        protocol.cycle.body.clear()
        protocol.data_received(b"def")
        assert not protocol.cycle.body

    asyncio.run(check())


def test_uvicorn_creates_protocols_with_the_arguments_that_a_refusal_takes() -> None:
    made: list[dict[str, Any]] = []

    def protocol(**options: Any) -> asyncio.Protocol:
        made.append(options)
        return asyncio.Protocol()

    async def check() -> None:
        config = uvicorn.Config(
            application,
            http=protocol,  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.startup([listener])
            _, writer = await asyncio.open_connection(*listener.getsockname())
            while not made:  # noqa: ASYNC110  # a few iterations of the loop
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
            await server.shutdown([listener])
        (options,) = made
        assert options["server_state"] is server.server_state
        assert set(options) >= {"config", "server_state", "app_state"}

    asyncio.run(check())


class Worker:
    """A stand-in for a worker process that has exited."""

    pid = 0
    exitcode = internals.STARTUP_FAILURE
    terminated = False

    def is_alive(self, timeout: float) -> bool:
        return timeout < 0

    def terminate(self) -> None:
        self.terminated = True

    def kill(self) -> None:
        pass

    join = kill


@pytest.fixture
def supervisor() -> internals.Multiprocess:
    kept = {number: signal.getsignal(number) for number in multiprocess.SIGNALS}
    made = internals.Multiprocess(uvicorn.Config("none", workers=2), [])
    for number, handler in kept.items():
        assert signal.getsignal(number) is not handler, "our own handler need not be restored"
        signal.signal(number, handler)
    made.processes = [Worker()]  # type: ignore[list-item]
    return made


def test_a_supervisor_starts_no_more_workers_after_one_failed_to_start(
    supervisor: internals.Multiprocess,
) -> None:
    supervisor.keep_subprocess_alive()
    assert supervisor.should_exit.is_set()


def test_an_interrupted_supervisor_stops_its_workers(
    supervisor: internals.Multiprocess,
) -> None:
    supervisor.signal_queue.append(signal.SIGINT)
    supervisor.handle_signals()
    assert supervisor.should_exit.is_set()
    supervisor.terminate_all()
    (worker,) = supervisor.processes
    assert worker.terminated  # type: ignore[attr-defined]
    assert supervisor.sockets == []
    process = multiprocess.Process(supervisor.config, [])
    assert process.exitcode is None
    assert callable(process.process.join)
    assert callable(process.kill)
