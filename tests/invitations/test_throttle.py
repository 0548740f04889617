"""While the API throttles a user, nothing else is sent for that user."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from support.batches import CREATE_ALL, inputs, outcomes, results_of
from support.gateway import Gateway, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, json_answer, replying
from support.keys import MUTATIONS, gateway_with_memory, new_key
from support.operations import CREATE, GET, OPERATIONS, UPDATE, Operation
from support.raw_http import RawConnection, request
from support.scripted_upstream import answer
from support.waiting import LIMIT, wait_until

from gateway.invitations import Caller, InvitationsError, Throttle
from gateway.invitations.rest import Call, RestClient
from gateway.invitations.throttle import MAX_PAUSE
from gateway.transport import Transport

GOOD = json_answer(200, {"id": "1", "value": []})
"""Both an invitation and a page."""
OTHER = "Bearer of-another-user"
ONE, TWO, THREE = (Caller(b"Bearer " + name) for name in (b"one", b"two", b"three"))


def throttled(seconds: int) -> bytes:
    return answer(429, b"", b"Retry-After: %d" % seconds)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_pause_longer_than_the_timeout_refuses_calls_at_once_without_sending_them(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(replying(throttled(1000), GOOD))
    gateway.error(GET.query)

    error = gateway.error(operation.query)

    assert len(upstream.calls) == 1
    assert "`retryAfter`" in error["message"]
    extensions = error["extensions"]
    assert 1000 - LIMIT < extensions.pop("retryAfter") <= 1000
    assert extensions == {"code": "RATE_LIMITED", **({"outcome": "NOT_APPLIED"} if operation.is_mutation else {})}
    assert "errors" not in gateway.run(operation.query, authorization=OTHER)


def test_the_same_token_is_the_same_user_however_its_scheme_is_written(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(replying(throttled(1000)))
    gateway.error(GET.query)
    token = gateway.authorization.removeprefix("Bearer ")
    for spelling in (f"bearer {token}", f"BEARER   {token}"):
        gateway.error(GET.query, authorization=spelling)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
@pytest.mark.parametrize(("reply", "least"), [(throttled(2), 2.0), (answer(429, b""), 0.5)], ids=["told", "not told"])
def test_a_call_waits_for_the_end_of_a_pause_that_another_was_told(
    gateway: Gateway, upstream: InvitationsUpstream, reply: bytes, least: float, operation: Operation
) -> None:
    times: list[float] = []

    def handler(_: Request) -> bytes:
        times.append(time.monotonic())
        return reply if len(times) == 1 else GOOD

    upstream.expect(handler)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.data, GET.query)
        wait_until(lambda: upstream.calls, "the first call is sent")
        time.sleep(0.1)  # until the gateway has read its response
        gateway.data(operation.query)
        first.result()
    assert len(times) == 3
    assert min(times[1:]) - times[0] > least - 0.05  # event loops count in milliseconds, and may wake up one early


def test_other_users_do_not_wait(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda call: GOOD if call.headers["authorization"] == OTHER else throttled(2))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.run, GET.query)
        wait_until(lambda: upstream.calls, "the first call is sent")
        for operation in OPERATIONS.values():
            gateway.data(operation.query, authorization=OTHER)
        first.result()
    others = [number for number, call in enumerate(upstream.calls) if call.headers["authorization"] == OTHER]
    assert others == [1, 2, 3, 4]


@pytest.mark.parametrize(("seconds", "is_sent"), [(0.05, True), (0.8 * LIMIT, False)])
def test_a_call_waits_for_at_most_three_quarters_of_its_time(
    upstream: InvitationsUpstream, seconds: float, is_sent: bool
) -> None:
    """Sent later, a mutation would often have an unknown outcome."""
    upstream.expect(replying(GOOD))

    async def send() -> None:
        async with Transport(upstream.url, max_response_bytes=100_000) as transport:
            client = RestClient(transport, url=upstream.url)
            client.throttle.add(ONE, seconds)
            call = Call("POST", "/x", ONE, asyncio.get_running_loop().time() + LIMIT)
            await client.send(call, lambda answer: answer.content)

    with nullcontext() if is_sent else pytest.raises(InvitationsError, match="throttling"):
        asyncio.run(send())
    assert len(upstream.calls) == is_sent


def test_an_update_that_cannot_be_read_again_because_of_a_pause_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    is_throttled = threading.Event()

    def handler(call: Request) -> bytes:
        if call.method == "GET":
            return throttled(1000)
        assert is_throttled.wait(LIMIT)
        return answer(204, b"")

    upstream.expect(handler)
    with ThreadPoolExecutor(1) as pool:
        update = pool.submit(gateway.error, UPDATE.query)
        wait_until(lambda: upstream.calls, "the update is sent")
        gateway.error(GET.query)
        is_throttled.set()
        extensions = update.result()["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("RATE_LIMITED", "APPLIED")
    assert [call.method for call in upstream.calls] == ["PATCH", "GET"]


def test_an_earlier_attempt_that_was_sent_is_not_forgotten(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    """The create gets a 429, and before it is retried, another call is told to wait for much longer."""
    first = throttled(1)
    upstream.expect(lambda call: first if call.method == "POST" else throttled(1000))
    with ThreadPoolExecutor(1) as pool:
        create = pool.submit(gateway.error, CREATE.query)
        reading = pool.submit(gateway.run, GET.query)
        extensions = create.result()["extensions"]
        reading.result()
    assert (extensions["code"], extensions["outcome"]) == ("RATE_LIMITED", "NOT_APPLIED")
    assert extensions["trackingId"] == upstream.calls[0].json["trackingId"]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_pause_leaves_an_idempotency_key_free(upstream: InvitationsUpstream, mutation: str) -> None:
    upstream.expect(replying(throttled(1000), GOOD))
    keyed = MUTATIONS[mutation](new_key())
    with gateway_with_memory(upstream.url) as gateway:
        gateway.error(GET.query)
        assert gateway.error(*keyed)["extensions"]["outcome"] == "NOT_APPLIED"
        gateway.data(*keyed, authorization=OTHER)
    assert [call.method for call in upstream.calls] == ["GET", OPERATIONS[mutation].method]


def test_a_batch_waits_for_the_end_of_a_pause_that_another_call_was_told(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    times: list[float] = []

    def handler(call: Request) -> bytes:
        times.append(time.monotonic())
        return throttled(2) if len(times) == 1 else json_answer(201, {"id": "1", **(call.json if call.body else {})})

    upstream.expect(handler)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.data, GET.query)
        wait_until(lambda: upstream.calls, "the first call is sent")
        time.sleep(0.1)  # until the gateway has read its response
        results = results_of(gateway.data(CREATE_ALL, {"inputs": inputs(20)}))
        first.result()
    assert outcomes(results) == ["created"] * 20
    assert len(times) == 22
    assert min(times[1:]) - times[0] > 1.95


def test_a_batch_whose_time_is_shorter_than_a_pause_is_not_sent(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(replying(throttled(1000)))
    gateway.error(GET.query)
    results = results_of(gateway.data(CREATE_ALL, {"inputs": inputs(20)}))
    assert {(it["error"]["code"], it["error"]["outcome"]) for it in results} == {("RATE_LIMITED", "NOT_APPLIED")}
    assert all(1000 - LIMIT < it["error"]["retryAfter"] <= 1001 for it in results)
    assert len(upstream.calls) == 1


def test_a_query_that_waits_ends_with_its_client(upstream: InvitationsUpstream) -> None:
    upstream.expect(replying(throttled(100)))
    with gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT=300) as gateway:
        body = b'{"query": "{ invitation(id: \\"1\\") { id } }"}'
        with RawConnection(gateway.port) as connection:
            connection.send(request(body, b"Authorization: Bearer x"))
            wait_until(lambda: upstream.calls, "the first call is sent")
            with RawConnection(gateway.port) as waiting:
                waiting.send(request(body, b"Authorization: Bearer x"))
        wait_until(lambda: gateway.log().count("status=499") == 2, "both requests have ended")
    assert len(upstream.calls) == 1


def run(work: Callable[[Throttle], object], **bounds: int) -> None:
    async def run() -> None:
        result = work(Throttle(api="https://api", **bounds))
        if asyncio.iscoroutine(result):
            await result

    asyncio.run(run())


def test_calls_that_have_waited_do_not_all_start_at_once() -> None:
    async def work(throttle: Throttle) -> None:
        loop = asyncio.get_running_loop()
        throttle.add(ONE, 0.4)
        over = loop.time() + 0.4

        async def wait() -> float:
            assert await throttle.wait(ONE, LIMIT) is None
            return loop.time() - over

        late = await asyncio.gather(*(wait() for _ in range(50)))
        assert min(late) > -0.01
        assert max(late) - min(late) > 0.1

    run(work)


def test_a_pause_can_become_longer_but_not_shorter() -> None:
    async def work(throttle: Throttle) -> None:
        throttle.add(ONE, 0.1)
        waiting = asyncio.create_task(throttle.wait(ONE, LIMIT))
        await asyncio.sleep(0)
        throttle.add(ONE, 10 * LIMIT)
        throttle.add(ONE, 0.0)
        found = await waiting
        assert found is not None
        assert found > 8 * LIMIT

    run(work)


def test_a_pause_has_a_maximum_and_removes_itself() -> None:
    async def work(throttle: Throttle) -> None:
        throttle.add(ONE, 1e9)
        assert MAX_PAUSE - LIMIT < (await throttle.wait(ONE, 0.0) or 0.0) <= MAX_PAUSE
        throttle.add(TWO, 0.05)
        async with asyncio.timeout(LIMIT):
            while len(throttle.callers) > 1:  # noqa: ASYNC110 (it removes itself by a timer)
                await asyncio.sleep(0.01)
        assert await throttle.wait(TWO, 0.0) is None

    run(work)


def test_the_number_of_users_is_bounded_and_a_new_one_displaces_the_one_whose_pause_ends_first() -> None:
    async def work(throttle: Throttle) -> None:
        for caller, seconds in ((ONE, 200), (TWO, 100), (THREE, 150), (ONE, 300)):
            throttle.add(caller, seconds)
        assert [throttle.left(caller) > 0 for caller in (ONE, TWO, THREE)] == [True, False, True]
        for short_or_long in (0.01, 200.0):  # it comes back before the end of its first pause
            throttle.add(TWO, short_or_long)
        await asyncio.sleep(0.05)
        assert throttle.left(TWO) > 100
        assert len(throttle.callers) == 2
        assert all(len(name) == 32 for name in throttle.callers)

    run(work, max_callers=2)
