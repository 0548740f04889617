"""What is retried, when, and what never is."""

import asyncio
import ssl
import time
from collections import defaultdict

import httpx
import pytest
from support.gateway import TOKEN, Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer, replying
from support.operations import CREATE, GET, MUTATIONS, OPERATIONS, QUERIES, UPDATE, Operation
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.waiting import LIMIT

from gateway.invitations import Caller, InvitationsError
from gateway.invitations.rest import Call, RestClient
from gateway.invitations.retries import after_error, after_status
from gateway.transport import Transport

GOOD = json_answer(200, {"id": "1", "value": []})
"""Both an invitation and a page."""
MAY_PASS = [429, 502, 503, 504, 509]
FINAL = [300, 307, 400, 401, 403, 404, 405, 408, 409, 410, 412, 422, 425, 500, 501, 505, 507, 599]


def lose(connection: UpstreamConnection) -> None:
    connection.close()


def ids(upstream: InvitationsUpstream) -> set[str]:
    return {call.headers["client-request-id"] for call in upstream.calls}


def at_once(status: int) -> bytes:
    """Return a response that asks for an immediate retry, so that no test has to wait."""
    return answer(status, b"", b"Retry-After: 0")


@pytest.mark.parametrize("operation", QUERIES.values(), ids=QUERIES.keys())
@pytest.mark.parametrize("failure", [*map(at_once, MAY_PASS), lose], ids=[*MAY_PASS, "lost"])
def test_a_get_is_tried_three_times_on_transient_failures(
    gateway: Gateway, upstream: InvitationsUpstream, failure: Reply, operation: Operation
) -> None:
    upstream.expect(replying(failure, failure, GOOD))
    gateway.data(operation.query)
    assert len(upstream.calls) == len(ids(upstream)) == 3
    first, *others = upstream.calls
    for other in others:
        assert (other.method, other.target, other.body) == (first.method, first.target, first.body)
        assert other.headers["authorization"] == first.headers["authorization"]

    upstream.expect(always(failure))
    gateway.error(operation.query)
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("operation", QUERIES.values(), ids=QUERIES.keys())
@pytest.mark.parametrize("status", FINAL)
def test_a_get_is_not_retried_on_permanent_failures(
    gateway: Gateway, upstream: InvitationsUpstream, status: int, operation: Operation
) -> None:
    upstream.expect(replying(answer(status, b""), GOOD))
    gateway.run(operation.query)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_is_retried_after_a_429(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(replying(at_once(429), at_once(429), GOOD))
    gateway.data(operation.query)
    assert len(upstream.calls) == len(ids(upstream)) == 3
    assert len({call.body for call in upstream.calls}) == 1

    upstream.expect(always(at_once(429)))
    assert gateway.error(operation.query)["extensions"]["outcome"] == "NOT_APPLIED"
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
@pytest.mark.parametrize(
    "failure",
    [*map(at_once, (*FINAL, 502, 503, 504, 509)), answer(503, b""), answer(509, b""), lose],
    ids=[*FINAL, 502, 503, 504, 509, "503 without Retry-After", "509 without Retry-After", "lost"],
)
def test_a_mutation_is_not_retried_on_anything_else(
    gateway: Gateway, upstream: InvitationsUpstream, failure: Reply, operation: Operation
) -> None:
    upstream.expect(replying(failure, GOOD))
    gateway.error(operation.query)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_is_not_retried_if_its_connection_is_lost_after_a_429(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(replying(at_once(429), lose, GOOD))
    assert gateway.error(operation.query)["extensions"]["outcome"] == "UNKNOWN"
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_request_that_gets_no_connection_is_tried_three_times(operation: Operation, tls: ssl.SSLContext) -> None:
    def script(connection: UpstreamConnection) -> None:
        if connection.number == 2:
            connection.start_tls(tls)
            connection.read_request()
            connection.send(GOOD)

    with ScriptedUpstream(script) as upstream, running_gateway(f"https://127.0.0.1:{upstream.port}") as gateway:
        gateway.data(operation.query)
        assert (upstream.accepted, len(upstream.requests)) == (3, 1)

    with ScriptedUpstream(lose) as upstream, running_gateway(f"https://127.0.0.1:{upstream.port}") as gateway:
        assert gateway.error(operation.query)["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
        assert upstream.accepted == 3


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
def test_without_retry_after_the_first_pause_is_about_a_second_and_the_next_is_longer(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    times: list[float] = []

    def handler(_: Request) -> bytes:
        times.append(time.monotonic())
        return answer(429, b"") if len(times) < 3 else GOOD

    upstream.expect(handler)
    gateway.data(operation.query)

    first, second, third = times
    assert second - first > 0.7
    assert third - second > 1.4


@pytest.mark.parametrize(("operation", "status"), [(CREATE, 429), (GET, 429), (GET, 503)])
def test_a_pause_that_would_exceed_the_timeout_is_not_begun(operation: Operation, status: int) -> None:
    with (
        InvitationsUpstream(replying(answer(status, b""), GOOD)) as upstream,
        running_gateway(upstream.url, upstream_timeout=0.7) as gateway,
    ):
        assert gateway.error(operation.query)["extensions"]["status"] == status
        assert len(upstream.calls) == 1


def test_the_re_read_of_an_update_is_tried_three_times_but_the_update_only_once(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(replying(answer(204, b""), at_once(503), lose, GOOD))
    gateway.data(UPDATE.query)
    assert [call.method for call in upstream.calls] == ["PATCH", "GET", "GET", "GET"]


def test_the_pauses_between_tries_vary(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    times: defaultdict[str, list[float]] = defaultdict(list)

    def handler(call: Request) -> bytes:
        times[call.target].append(time.monotonic())
        if len(times[call.target]) == 1:
            return at_once(502)
        return json_answer(200, {"id": call.target.rpartition("/")[2]})

    upstream.expect(handler)
    gateway.data("{" + " ".join(f'a{n}: invitation(id: "{n}") {{ id }}' for n in range(20)) + "}")

    pauses = [second - first for first, second in times.values()]
    assert len(pauses) == 20
    assert min(pauses) > 0.01
    assert max(pauses) - min(pauses) > 0.01


@pytest.mark.parametrize("failure", [lose, *map(at_once, (502, 503, 504, 509))], ids=["lost", 502, 503, 504, 509])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_an_unsafe_method_without_a_body_is_not_repeated(method: str, failure: Reply) -> None:
    async def send(url: str) -> None:
        loop = asyncio.get_running_loop()
        async with Transport(upstream.url, max_response_bytes=100_000) as transport:
            call = Call(method, "/x", Caller(TOKEN.encode()), loop.time() + LIMIT)
            await RestClient(transport, url=url).send(call, lambda answer: answer.content)

    with InvitationsUpstream(replying(failure, GOOD)) as upstream:
        with pytest.raises(InvitationsError) as raised:
            asyncio.run(send(upstream.url))
        assert len(upstream.calls) == 1
    assert raised.value.outcome == "UNKNOWN"


def test_a_lost_connection_is_retried_sooner_than_a_throttled_request() -> None:
    lost, throttled = after_error(httpx.ReadError("lost")), after_status(429, httpx.Headers())
    assert lost is not None
    assert throttled is not None
    for _ in range(100):
        assert [lost.pause(n) < 0.5 <= throttled.pause(n) / n for n in (1, 2)] == [True, True]
