"""Responses that are encoded although the gateway asked for `identity`, and those that only claim to be."""

import asyncio

import httpx
import pytest
from support.gateway import TOKEN, running_gateway
from support.invitations_upstream import InvitationsUpstream, always
from support.operations import OBJECTS, Operation
from support.scripted_upstream import ScriptedUpstream, answer, answering
from support.waiting import LIMIT

from gateway.errors import ErrorCode
from gateway.invitations import Caller, InvitationsClient, InvitationsError


@pytest.mark.parametrize("operation", OBJECTS.values(), ids=OBJECTS.keys())
def test_a_response_with_any_spelling_of_identity_is_read(operation: Operation) -> None:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        for coding in (b"identity", b"Identity", b"IDENTITY \t"):
            upstream.expect(always(answer(operation.success, b'{"id": "1"}', b"Content-Encoding: " + coding)))
            (found,) = gateway.data(operation.query).values()
            assert found == {"id": "1"}


def test_an_unread_encoded_response_does_not_keep_its_connection() -> None:
    async def main() -> None:
        # A transport that returns after the head (unlike ours) keeps the connection until the response is closed.
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncHTTPTransport(limits=limits, trust_env=False) as transport:
            client = InvitationsClient(transport, url=upstream.url, timeout=LIMIT)
            for _ in range(2):
                with pytest.raises(InvitationsError) as raised:
                    await client.for_caller(Caller(TOKEN.encode())).get("1")
                assert raised.value.code is ErrorCode.UPSTREAM_INVALID_RESPONSE

    with ScriptedUpstream(answering(answer(200, b"not gzip", b"Content-Encoding: gzip"))) as upstream:
        asyncio.run(main())
    assert len(upstream.requests) == 2
