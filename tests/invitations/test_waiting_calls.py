"""The calls of a throttled user that wait are bounded, so that they do not take the places of others."""

import asyncio
import json
import select
from contextlib import ExitStack

import httpx
from support.batches import CREATE_ALL, inputs, results_of
from support.gateway import Gateway, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.operations import CREATE, GET
from support.raw_http import RawConnection, request
from support.scripted_upstream import answer
from support.waiting import LIMIT, until, wait_until

from gateway.invitations import Caller, InvitationsError, Throttle
from gateway.invitations.rest import Call, RestClient
from gateway.invitations.throttle import MAX_WAITING

USER = b"Bearer of-the-throttled-user"
MORE = 5


def handler(call: Request) -> bytes:
    if call.headers["authorization"].encode() == USER:
        return answer(429, b"", b"Retry-After: 100")
    return json_answer(200, {"id": "1"})


def refused_at_once(gateway: Gateway) -> None:
    authorization = USER.decode()
    refusals = [gateway.error(CREATE.query, authorization=authorization)["extensions"]]
    results = results_of(gateway.data(CREATE_ALL, {"inputs": inputs(20)}, authorization=authorization))
    for refusal in [*refusals, *(it["error"] for it in results)]:
        assert (refusal["code"], refusal["outcome"]) == ("RATE_LIMITED", "NOT_APPLIED")
        assert 100 - LIMIT < refusal["retryAfter"] <= 101


def test_a_hundred_calls_of_a_throttled_user_wait_and_more_are_refused_at_once(upstream: InvitationsUpstream) -> None:
    upstream.expect(handler)
    query = request(json.dumps({"query": GET.query}).encode(), b"Authorization: " + USER)
    url = f"{upstream.url}/v1.0"
    with (
        gateway_process("serve", UPSTREAM_URL=url, UPSTREAM_TIMEOUT=300, MAX_OPERATIONS=2 * MAX_WAITING) as gateway,
        ExitStack() as stack,
    ):

        def send() -> RawConnection:
            connection = stack.enter_context(RawConnection(gateway.port))
            connection.send(query)
            return connection

        send()
        wait_until(lambda: len(upstream.calls) == 1 and "status=429" in gateway.log(), "the first is throttled")
        calls = {it.fileno(): it for it in (send() for _ in range(MAX_WAITING - 1 + MORE))}
        wait_until(lambda: len(select.select(calls, [], [], 0)[0]) == MORE, "those that cannot wait are refused")
        for each in select.select(calls, [], [], 0)[0]:
            (error,) = calls[each].receive().json()["errors"]
            assert error["extensions"]["code"] == "RATE_LIMITED"
        refused_at_once(gateway)
        gateway.data(GET.query, authorization="Bearer of-another-user")
        assert len(upstream.calls) == 2


def test_calls_that_were_all_throttled_at_once_wait_up_to_the_same_number() -> None:
    async def main() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "100"}))
        client = RestClient(transport, url="https://api")
        call = Call("GET", "/x", Caller(USER), asyncio.get_running_loop().time() + 1000)
        calls = [asyncio.create_task(client.send(call, lambda it: it.content)) for _ in range(MAX_WAITING + MORE)]
        await until(lambda: sum(it.done() for it in calls) == MORE)
        errors = [it.exception() for it in calls if it.done()]
        assert all(isinstance(it, InvitationsError) and it.extensions["retryAfter"] == 100 for it in errors)
        for it in calls:
            it.cancel()
        await asyncio.wait(calls)
        assert not client.throttle.is_crowded(Caller(USER))

    asyncio.run(main())


def test_calls_of_other_users_can_wait() -> None:
    async def main() -> None:
        throttle = Throttle(api="https://api")
        one, other = Caller(b"Bearer one"), Caller(b"Bearer other")
        for caller in (one, other):
            throttle.add(caller, 0.5)
        waiting = [asyncio.create_task(throttle.wait(one, LIMIT)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        assert await throttle.wait(one, LIMIT) is not None
        assert await throttle.wait(other, LIMIT) is None
        assert await asyncio.gather(*waiting) == [None] * MAX_WAITING
        assert not throttle.is_crowded(one)

    asyncio.run(main())
