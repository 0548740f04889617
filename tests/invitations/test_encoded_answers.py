"""Answers that are encoded although `identity` was asked for, and those that only say so."""

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
def test_an_answer_that_says_that_it_is_not_encoded_is_read_however_that_is_spelled(operation: Operation) -> None:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        for coding in (b"identity", b"Identity", b"IDENTITY \t"):
            upstream.expect(always(answer(operation.success, b'{"id": "1"}', b"Content-Encoding: " + coding)))
            (found,) = gateway.data(operation.query).values()
            assert found == {"id": "1"}


def test_an_encoded_answer_that_is_not_read_does_not_keep_its_connection() -> None:
    async def main() -> None:
        # A transport that hands over the head first, as ours does not, keeps the connection until the answer is closed.
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
