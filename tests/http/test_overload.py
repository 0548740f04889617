"""More concurrent operations than the gateway allows."""

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
import strawberry
from support.gateway import TOKEN, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.waiting import LIMIT, until

from gateway.engine import Engine
from gateway.http import endpoint, request

READ = {"query": 'query { invitation(id: "1") { id } }'}
CREATE = {"query": 'mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id } }'}


def test_above_the_limit_no_operation_starts_and_running_ones_complete() -> None:
    both_run = threading.Barrier(3, timeout=LIMIT)
    go_on = threading.Event()

    def wait(_: Request) -> bytes:
        both_run.wait()
        go_on.wait(LIMIT)
        return json_answer(200, {"id": "1"})

    def ask() -> None:
        answers.append(httpx.post(url, json=READ, headers={"Authorization": TOKEN}, timeout=LIMIT))

    answers: list[httpx.Response] = []
    with (
        InvitationsUpstream(wait) as upstream,
        gateway_process(
            "serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT=str(LIMIT), MAX_OPERATIONS="2"
        ) as gateway,
    ):
        url = f"{gateway.url}/graphql"
        running = [threading.Thread(target=ask) for _ in range(2)]
        for thread in running:
            thread.start()
        both_run.wait()
        refused = [
            httpx.post(url, json=body, headers={"Authorization": TOKEN}, timeout=LIMIT) for body in (READ, CREATE)
        ]
        others = [
            httpx.get(f"{gateway.url}/healthz", timeout=LIMIT),
            httpx.get(f"{gateway.url}/readyz", timeout=LIMIT),
            httpx.get(url, headers={"Accept": "text/html"}, timeout=LIMIT),
        ]
        go_on.set()
        for thread in running:
            thread.join(LIMIT)
        afterwards = httpx.post(url, json={"query": "{ __typename }"}, timeout=LIMIT)
    assert [answer.status_code for answer in refused] == [503, 503]
    for answer in refused:
        assert answer.headers["Retry-After"] == "1"
        extensions = {"code": "OVERLOADED", "outcome": "NOT_APPLIED"}
        assert answer.json() == {
            "errors": [{"message": "The gateway is overloaded. Try again later.", "extensions": extensions}]
        }
    assert [answer.status_code for answer in others] == [200, 200, 200]
    assert [answer.json() for answer in answers] == [{"data": {"invitation": {"id": "1"}}}] * 2
    assert len(upstream.calls) == 2
    assert afterwards.json() == {"data": {"__typename": "Query"}}


def test_bodies_that_together_are_too_large_are_refused_until_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"query": "{ slow }"}'
    for module in (endpoint, request):
        monkeypatch.setattr(module, "MAX_BODIES", 3 * len(body))
    started: list[str] = []

    @strawberry.type
    class Query:
        @strawberry.field
        async def slow(self) -> str:
            started.append("slow")
            await go_on.wait()
            return "done"

    async def in_parts(content: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(content), 10):
            yield content[at : at + 10]
            received.set()
            await last_part.wait()

    async def main() -> None:
        app = httpx.ASGITransport(endpoint.GraphQLEndpoint(Engine(strawberry.Schema(Query)), context=lambda _: None))
        json = {"Content-Type": "application/json"}
        async with httpx.AsyncClient(transport=app, base_url="http://gateway", headers=json, timeout=LIMIT) as client:

            def ask(content: bytes | AsyncIterator[bytes] = body) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.post("/graphql", content=content))

            running = [ask(), ask(), ask(in_parts(body))]
            await received.wait()
            await until(lambda: len(started) == 2)
            assert [(await ask()).status_code for _ in range(2)] == [503, 503]
            last_part.set()
            await until(lambda: len(started) == 3)
            go_on.set()
            assert [(await answer).json() for answer in running] == [{"data": {"slow": "done"}}] * 3
            assert (await ask(in_parts(body + b" " * 3 * len(body)))).status_code == 503
            running = [ask() for _ in range(3)]
            assert [(await answer).status_code for answer in running] == [200, 200, 200]

    go_on, received, last_part = asyncio.Event(), asyncio.Event(), asyncio.Event()
    asyncio.run(main())
