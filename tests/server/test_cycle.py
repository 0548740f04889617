"""A response is the same, byte for byte, as uvicorn writes it, but arrives in one piece."""

import asyncio
import logging
from typing import Any

import pytest
import uvicorn
from starlette.types import Message
from support.transports import LOOPS, Run
from support.written import Written

from gateway.server.protocol import HttpProtocol
from gateway.server.uvicorn_internals import HttpToolsProtocol, ServerState

pytestmark = pytest.mark.quick

BODY = b'{"data":{}}'
LENGTH = (b"content-length", b"11")
LARGE = b"a" * 100_000
POST = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n"
CLOSE = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, **more: bool) -> Message:
    return {"type": "http.response.body", "body": content, **more}


RESPONSES: dict[str, tuple[bytes, list[Message], int]] = {
    # The request, the messages of the response, and the number of writes.
    "JSON": (POST, [start((b"content-type", b"application/json"), LENGTH), body(BODY)], 1),
    "an error": (POST, [start((b"retry-after", b"1"), LENGTH, status=503), body(BODY)], 1),
    "nothing": (POST, [start((b"content-length", b"0")), {"type": "http.response.body"}], 1),
    "a client that wants no other": (CLOSE, [start(LENGTH), body(BODY)], 1),
    "HTTP/1.0": (b"POST / HTTP/1.0\r\n\r\n", [start(LENGTH), body(BODY)], 1),
    "a repeated header": (POST, [start((b"vary", b"a"), (b"vary", b"b"), LENGTH), body(BODY)], 1),
    "a large body": (POST, [start((b"content-length", b"100000")), body(LARGE)], 2),
    "HEAD": (b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", [start(LENGTH), body(BODY)], 2),
    "a status without a body": (POST, [start(status=204), body(b"")], 2),
    "chunks": (POST, [start(), body(BODY, more_body=True), body(BODY), body(b"")], 3),
    "two parts": (POST, [start((b"content-length", b"22")), body(BODY, more_body=True), body(BODY)], 3),
    "an application that closes": (POST, [start((b"connection", b"close"), LENGTH), body(BODY)], 2),
    "a name in capitals": (POST, [start((b"Content-Length", b"11")), body(BODY)], 2),
}
WRONG: dict[str, list[Message]] = {
    "a line break in a header": [start((b"a", b"b\r\nc: d"), LENGTH), body(BODY)],
    "a line feed in a name": [start((b"a\nb", b"c"), LENGTH), body(BODY)],
    "too short a body": [start((b"content-length", b"12")), body(BODY)],
    "too long a body": [start((b"content-length", b"10")), body(BODY)],
    "a body first": [body(BODY)],
    "nothing": [],
    "no body": [start(LENGTH)],
}


def respond(class_: type[Any], run: Run, request: bytes, messages: list[Message]) -> Written:
    """Return what a protocol writes for the messages of an application."""
    transport = Written()

    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    async def main() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, server_header=False, date_header=False)
        config.load()
        state = ServerState()
        protocol = class_(config=config, server_state=state, app_state={})
        protocol.connection_made(transport)
        protocol.data_received(request)
        while state.tasks:  # noqa: ASYNC110  # a few iterations of the loop
            await asyncio.sleep(0)
        protocol.connection_lost(None)

    run(main())
    return transport


@pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize(("request_", "messages", "writes"), RESPONSES.values(), ids=RESPONSES)
def test_a_response_is_what_uvicorn_writes_in_one_piece_if_its_body_is(
    run: Run, request_: bytes, messages: list[Message], writes: int
) -> None:
    usual = respond(HttpToolsProtocol, run, request_, messages)
    ours = respond(HttpProtocol, run, request_, messages)
    assert b"".join(ours.parts) == b"".join(usual.parts)
    assert ours.closing is usual.closing
    assert len([part for part in ours.parts if part]) <= writes


@pytest.mark.parametrize("messages", WRONG.values(), ids=WRONG)
def test_a_wrong_response_is_answered_as_by_uvicorn(messages: list[Message], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        usual = respond(HttpToolsProtocol, asyncio.run, POST, messages)
        ours = respond(HttpProtocol, asyncio.run, POST, messages)
    assert (b"".join(ours.parts), ours.closing) in [
        (b"".join(usual.parts), usual.closing),
        # As the head was not written yet, there is a better answer than to close the connection in the middle of it.
        (b"".join(respond(HttpToolsProtocol, asyncio.run, POST, []).parts), True),
    ]
    assert ours.closing
