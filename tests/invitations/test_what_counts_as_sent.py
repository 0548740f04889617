"""Requests that cannot have reached the API: the client is told so, and they may be retried."""

import asyncio
import logging
import ssl

import httpx
import pytest
from support.gateway import TOKEN, running_gateway
from support.operations import OPERATIONS, Operation
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.upstream_faults import HANGING
from support.waiting import LIMIT, until

from gateway.errors import ErrorCode, Outcome
from gateway.invitations import Caller, InvitationsClient, InvitationsError, InvitationV2Body
from gateway.invitations.rest import Call, RestClient
from gateway.transport import Transport

CALLER = Caller(TOKEN.encode())
BODY = InvitationV2Body(inviter="a", invitee="b", tracking_id="mine")
READY = answer(200, b'{"id": "1", "value": []}')


def test_a_create_that_got_no_free_connection_was_not_applied_and_does_not_queue_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=1000, max_connections=1) as transport:
            slow, quick = (InvitationsClient(transport, url=upstream.url, timeout=seconds) for seconds in (LIMIT, 1.0))
            holder = asyncio.create_task(slow.for_caller(CALLER).get("1"))
            await until(lambda: upstream.requests)
            with pytest.raises(InvitationsError) as raised:
                await quick.for_caller(CALLER).create(BODY)
            errors.append(raised.value)
            holder.cancel()
            await asyncio.wait([holder])

    errors: list[InvitationsError] = []
    caplog.set_level(logging.WARNING, "gateway.rest")
    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        asyncio.run(main())
    assert len(upstream.requests) == upstream.accepted == 1
    (error,) = errors
    assert (error.code, error.outcome, error.sent) == (ErrorCode.UPSTREAM_TIMEOUT, Outcome.NOT_APPLIED, False)
    assert [record.getMessage().split()[1] for record in caplog.records] == ["try=1"]
    assert "cause=PoolTimeout" in caplog.text


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_request_whose_connection_times_out_is_retried_and_was_not_applied(
    operation: Operation,
) -> None:
    with (
        ScriptedUpstream(UpstreamConnection.wait_until_client_closes) as upstream,
        running_gateway(upstream.url.replace("http", "https"), upstream_timeout=2) as gateway,
    ):
        extensions = gateway.error(operation.query)["extensions"]
        assert upstream.accepted > 1
    assert extensions == {
        "code": "UPSTREAM_TIMEOUT",
        **({"outcome": "NOT_APPLIED"} if operation.is_mutation else {}),
    }


def test_a_connection_that_hangs_leaves_time_for_another_that_works(tls: ssl.SSLContext) -> None:
    def script(connection: UpstreamConnection) -> None:
        if connection.number == 0:
            connection.wait_until_client_closes()
        connection.start_tls(tls)
        connection.read_request()
        connection.send(READY)

    with (
        ScriptedUpstream(script) as upstream,
        running_gateway(f"https://127.0.0.1:{upstream.port}", upstream_timeout=6) as gateway,
    ):
        gateway.data(OPERATIONS["create"].query)
        assert (upstream.accepted, len(upstream.requests)) == (2, 1)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_request_past_its_deadline_is_not_sent(method: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Transport(upstream.url, max_response_bytes=1000) as transport:
            rest = RestClient(transport, url=upstream.url)
            await rest.send(Call("GET", "/idle", CALLER, loop.time() + LIMIT), lambda answer: answer.content)
            for _ in range(2):
                with pytest.raises(InvitationsError) as raised:
                    await rest.send(Call(method, "/late", CALLER, loop.time() - 0.01), lambda answer: answer.content)
                assert (raised.value.outcome, raised.value.sent) == (Outcome.NOT_APPLIED, False)

    with ScriptedUpstream(answering(READY)) as upstream:
        asyncio.run(main())
    assert [request.split()[1] for request in upstream.requests] == [b"/idle"]


class Watched(httpx.AsyncBaseTransport):
    """Forward requests, and record their timeouts."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.seen: list[tuple[float, dict[str, float], float]] = []
        """The loop's time, the limits of the phases, and the deadline of each request."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = asyncio.get_running_loop().time()
        self.seen.append((now, request.extensions["timeout"], request.extensions["deadline"]))
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


def test_queueing_gets_a_quarter_of_the_remaining_time_and_connecting_half() -> None:
    async def main() -> None:
        async with Watched(Transport(upstream.url, max_response_bytes=1000)) as transport:
            rest = RestClient(transport, url=upstream.url)
            deadline = asyncio.get_running_loop().time() + LIMIT
            await rest.send(Call("GET", "/x", CALLER, deadline), lambda answer: answer.content)
            before = LIMIT
            for now, limits, until_ in transport.seen:
                assert until_ == deadline
                assert deadline - now <= 4 * limits["pool"] <= before
                assert limits == {"pool": limits["pool"], "connect": 2 * limits["pool"]}  # the deadline limits the rest
                before = 4 * limits["pool"] - 1
            assert len(transport.seen) == 2

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(answer(503, b"", b"Retry-After: 1") if connection.number == 0 else READY)

    with ScriptedUpstream(script) as upstream:
        asyncio.run(main())
