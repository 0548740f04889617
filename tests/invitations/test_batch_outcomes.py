"""Whatever happens to the invitations of a batch, each outcome is true and none is processed twice."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from random import Random

import httpx
import pytest
from support.batches import CREATE_ALL, inputs, outcomes, results_of
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.scripted_upstream import UpstreamConnection, answer

from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.invitations import Caller, Created, InvitationsClient, InvitationV2, InvitationV2Body, Read, Send

COUNT = 60
ENDS: dict[str, tuple[bool, Reply | None, str]] = {
    "created": (True, None, "created"),
    "refused": (False, answer(409, b""), "NOT_APPLIED"),
    "lost before": (False, UpstreamConnection.reset, "UNKNOWN"),
    "lost after": (True, UpstreamConnection.reset, "UNKNOWN"),
    "cut off": (True, answer(201, b"{}")[:-1], "UNKNOWN"),
    "failed": (False, answer(500, b""), "UNKNOWN"),
    "failed after": (True, answer(500, b""), "UNKNOWN"),
    "unusable": (True, answer(201, b"[]"), "APPLIED"),
    "not HTTP": (False, b"nonsense\r\n\r\n", "UNKNOWN"),
}
"""For each end: whether the API processes the invitation, its reply (None for the invitation), and the outcome."""


class Api:
    """A REST API that throttles some invitations up to twice, and ends each in a random way."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)  # noqa: S311 (nothing secret)
        self.ends = {str(it): random.choice([*["created"] * 9, *ENDS]) for it in range(COUNT)}
        self._throttled = Counter({str(it): max(0, random.randint(-9, 2)) for it in range(COUNT)})
        self._lock = threading.Lock()
        self.processed: list[str] = []

    def __call__(self, call: Request) -> Reply:
        name = call.json["trackingId"]
        processes, reply, _ = ENDS[self.ends[name]]
        with self._lock:
            self._throttled[name] -= 1
            if self._throttled[name] >= 0:
                return answer(429, b"", b"Retry-After: 0")
            self.processed += [name] * processes
        if callable(reply):
            return reply
        if self.ends[name] == "cut off" and reply:
            return lambda connection: connection.send(reply)
        return reply or json_answer(201, {"id": name, **call.json})


@pytest.mark.parametrize("seed", range(3))
def test_each_outcome_is_true_and_nothing_is_processed_twice(
    seed: int, gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    api = Api(seed)
    upstream.expect(api)

    results = results_of(gateway.data(CREATE_ALL, {"inputs": inputs(COUNT)}))

    assert outcomes(results) == [ENDS[api.ends[str(it)]][2] for it in range(COUNT)]
    assert len(set(api.processed)) == len(api.processed)
    assert [it["invitation"]["trackingId"] for it in results if it["invitation"]] == [
        it for it, end in api.ends.items() if end == "created"
    ]


class Unconnected(httpx.AsyncBaseTransport):
    """A transport that gets no connection for the first requests, and then throttles or answers."""

    def __init__(self, failures: int, *, throttled: bool) -> None:
        self._failures = failures
        self._throttled = throttled
        self.times: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= self._failures:
            raise httpx.ConnectError("refused")
        if self._throttled:
            self._throttled = False
            return httpx.Response(429, headers={"Retry-After": "1"})
        await asyncio.sleep(0)
        return httpx.Response(201, content=await request.aread())


def created(transport: Unconnected, count: int) -> Sequence[Created]:
    bodies = [InvitationV2Body(id=str(it), tracking_id=str(it)) for it in range(count)]
    client = InvitationsClient(transport, url="http://127.0.0.1/v1.0")
    return asyncio.run(client.for_caller(Caller(b"Bearer x")).create_all(bodies))


def test_one_without_a_connection_is_tried_again_but_not_while_the_api_throttles() -> None:
    transport = Unconnected(9, throttled=True)
    results = created(transport, 30)
    assert [it.id for it in results if isinstance(it, InvitationV2)] == [str(it) for it in range(30)]
    assert len(transport.times) == 30 + 9 + 1
    assert transport.times[10] >= transport.times[9] + 1


def test_without_any_connection_each_is_tried_three_times_and_not_applied() -> None:
    transport = Unconnected(1000, throttled=False)
    for result in created(transport, 12):
        assert isinstance(result, GatewayError)
        assert (result.code, result.outcome) == ("UPSTREAM_UNAVAILABLE", "NOT_APPLIED")
        assert "trackingId" not in result.extensions
    assert len(transport.times) == 36


def test_those_that_were_claimed_when_a_pause_began_wait_for_its_end() -> None:
    transport = Unconnected(0, throttled=True)
    claimed = asyncio.Barrier(5)

    async def each(index: int, send: Send, _: Read) -> InvitationV2:
        if not transport.times:
            await claimed.wait()
            if index > 0:
                while not transport.times:  # noqa: ASYNC110 (it takes turns, not time)
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
        return await send()

    client = InvitationsClient(transport, url="http://127.0.0.1/v1.0")
    bodies = [InvitationV2Body(id=str(it), tracking_id=str(it)) for it in range(5)]
    results = asyncio.run(client.for_caller(Caller(b"Bearer x")).create_all(bodies, each))
    assert [it.id for it in results if isinstance(it, InvitationV2)] == [str(it) for it in range(5)]
    assert len(transport.times) == 6
    assert transport.times[1] >= transport.times[0] + 1


def test_one_that_was_applied_stays_applied_if_its_claim_fails_later() -> None:
    tries = Counter[int]()

    async def each(index: int, _: Send, read: Read) -> InvitationV2:
        tries[index] += 1
        if tries[index] == 2:
            raise GatewayError(ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE, "", Outcome.NOT_APPLIED)
        try:
            found = await read("1")
        except GatewayError as error:
            error.outcome = Outcome.APPLIED
            raise
        assert found
        return found

    client = InvitationsClient(Unconnected(1, throttled=False), url="http://127.0.0.1/v1.0")
    (result,) = asyncio.run(client.for_caller(Caller(b"Bearer x")).create_all([InvitationV2Body()], each))
    assert isinstance(result, GatewayError)
    assert (result.outcome, tries[0]) == (Outcome.APPLIED, 2)
