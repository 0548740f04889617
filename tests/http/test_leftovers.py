"""A refused or failed request is freed at once: garbage collection is rare, and a request can be large."""

import asyncio
import gc
import json
from types import FrameType

import pytest
from starlette.types import Message, Scope
from support.engine_schema import Calls, Outcomes, create_schema

from gateway.engine import Engine
from gateway.errors import ErrorCode, GatewayError
from gateway.http import GraphQLEndpoint


class Failing(Outcomes):
    """Fail with an error that has a cause."""

    def answer(self, key: str, name: str) -> object:
        try:
            return int(f"no number: {key}")
        except ValueError:
            raise GatewayError(ErrorCode.NOT_FOUND, name) from None


BODIES = {
    "not JSON": b"{",
    "another type": b'{"query": 1}',
    "no query": b"{}",
    "a syntax error": b'{"query": "{"}',
    "an unknown field": b'{"query": "{ nothing }"}',
    "too long a name": json.dumps({"query": "{ now }", "operationName": "x" * 2_000}).encode(),
    "wrong variables": b'{"query": "query ($v: ID!) { item(id: $v) { id } }", "variables": {"v": []}}',
    "an error of a field": b'{"query": "{ item(id: 1) { id } }"}',
    "an error of a mutation": b'{"query": "mutation { update(id: 1) { id } }"}',
}


async def ask(endpoint: GraphQLEndpoint, body: bytes) -> bytes:
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await endpoint(scope, receive, send)
    return bytes(sent[-1]["body"])


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_frame_of_a_request_waits_for_garbage_collection(body: bytes) -> None:
    endpoint = GraphQLEndpoint(Engine(create_schema()), context=lambda _: Calls(Failing()))

    async def frames_left() -> list[str]:
        for _ in range(3):
            assert b'"errors"' in await ask(endpoint, body)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await ask(endpoint, body)
            gc.collect()
            return [it.f_code.co_qualname for it in gc.garbage if isinstance(it, FrameType)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert asyncio.run(frames_left()) == []
