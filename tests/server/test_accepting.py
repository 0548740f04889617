"""How connections of clients are accepted, and what is left of them."""

import asyncio
import contextlib
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from support.raw_http import request
from support.transports import GENEROUS, LOOPS, Run
from support.waiting import until

from gateway.http.request import HANG_UP
from gateway.server.protocol import MAX_HEAD, MAX_HEADERS, HttpProtocol
from gateway.server.run import BACKLOG, listeners
from gateway.server.uvicorn_internals import ServerState

pytestmark = pytest.mark.quick

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
CLIENTS = 320


@every_loop
def test_many_clients_that_connect_at_once_are_accepted_in_few_iterations_of_the_loop(run: Run) -> None:
    iterations = 0
    accepted: list[asyncio.BaseTransport] = []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    async def main() -> None:
        nonlocal iterations
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for each in listeners([bound]):
                stack.callback((await loop.create_server(Accepted, sock=each, backlog=BACKLOG)).close)
            for _ in range(CLIENTS):
                stack.enter_context(socket.create_connection(bound.getsockname(), GENEROUS))
            while len(accepted) < CLIENTS:
                await asyncio.sleep(0)
                iterations += 1
            for transport in accepted:
                transport.close()

    run(main())
    assert iterations <= CLIENTS / 8


Serve = Callable[[ServerState, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def freed(run: Run, use: Serve, app: Any) -> None:
    """Use a connection to a server, and wait until the server has freed it without garbage collection."""
    alive: weakref.WeakSet[HttpProtocol] = weakref.WeakSet()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        config = uvicorn.Config(app, http=HttpProtocol, lifespan="off", log_config=None)
        config.load()
        state = ServerState()

        def new_protocol() -> HttpProtocol:
            protocol = HttpProtocol(config=config, server_state=state, app_state={})
            alive.add(protocol)
            return protocol

        async with await loop.create_server(new_protocol, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await until(lambda: alive)
            await use(state, reader, writer)
            writer.close()
            await writer.wait_closed()
            await until(lambda: not alive)

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


@every_loop
@pytest.mark.parametrize("closing", ["idle", "by the server", "during a request"])
def test_a_connection_that_was_closed_is_freed_without_garbage_collection(run: Run, closing: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while closing == "during a request" and HANG_UP not in scope:
            await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def use(state: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request(b"{}"))
        if closing == "during a request":
            await until(lambda: state.tasks)
        else:
            assert b" 204 " in await reader.readuntil(b"\r\n\r\n")
        if closing == "by the server":
            for protocol in tuple(state.connections):
                protocol.shutdown()
            del protocol
            await reader.read()

    freed(run, use, app)


REFUSED = {
    "not HTTP": b"not HTTP\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two requests in one": b"GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\r\n\r\n",
    "a large head": b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * MAX_HEAD + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: a\r\n" * MAX_HEADERS + b"\r\n",
}


@every_loop
@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_a_connection_whose_request_was_refused_is_freed_without_garbage_collection(run: Run, sent: bytes) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def use(_state: ServerState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        assert await reader.read()

    freed(run, use, app)
