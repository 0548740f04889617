"""An answer that is not the request's own: what the transport itself can see, and what its caller tells it."""

import asyncio
import gzip

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import LOOPS, Run, request_to, until

from gateway.invitations.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


def new(*, max_connections: int = 10) -> Transport:
    return Transport(max_response_bytes=1_000_000, max_connections=max_connections, idle_seconds=60.0)


@every_loop
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "encoded"])
def test_nobody_uses_the_connection_of_an_answer_that_was_discarded(run: Run, *, encoded: bool) -> None:
    body = gzip.compress(b"{}") if encoded else b"{}"
    data = answer(200, body, *([b"Content-Encoding: gzip"] if encoded else []))

    async def main() -> None:
        async with new() as transport:
            for _ in range(2):
                response = await transport.handle_async_request(request_to(upstream.url))
                response.extensions["discard"]()
            await until(lambda: transport.connections == {"open": 0, "idle": 0, "slots": 0, "waiting": 0})

    with ScriptedUpstream(answering(data)) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (2, 2)


@every_loop
def test_a_waiter_that_was_promised_a_discarded_connection_opens_another_and_is_sent_once(run: Run) -> None:
    on: list[tuple[int, bytes]] = []

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            on.append((connection.number, request.split()[1]))
            connection.send(answer())

    async def main() -> None:
        async with new(max_connections=1) as transport:

            async def send(target: str, *, discard: bool = False) -> httpx.Response:
                response = await transport.handle_async_request(request_to(upstream.url, target=target))
                if discard:
                    response.extensions["discard"]()
                return response

            first = send("/1", discard=True)
            responses = await asyncio.gather(first, send("/2"), send("/3"))
            assert [response.status_code for response in responses] == [200] * 3
            assert transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0}

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert on == [(0, b"/1"), (1, b"/2"), (1, b"/3")]
