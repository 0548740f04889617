"""A request that waits for its connection while the API throttles its user is not sent."""

import time
from collections.abc import Iterator

import pytest
from support.batches import CREATE_ALL, inputs, outcomes, results_of
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.scripted_upstream import answer
from support.waiting import LIMIT

COUNT = 5
MANY_READS = "{ " + " ".join(f'a{it}: invitation(id: "{it}") {{ id }}' for it in range(COUNT)) + " }"


@pytest.fixture
def narrow(upstream: InvitationsUpstream) -> Iterator[Gateway]:
    """Return a gateway that has a single connection to the API."""
    with running_gateway(upstream.url, max_operations=1) as gateway:
        yield gateway


def good(call: Request) -> bytes:
    return json_answer(201, {"id": call.target.rpartition("/")[2], **(call.json if call.body else {})})


def refused(results: list[dict[str, object]]) -> bool:
    """Return whether all have the API's pause, and were not applied."""
    return all(
        it["code"] == "RATE_LIMITED"
        and isinstance(it["retryAfter"], int)
        and 1000 - LIMIT < it["retryAfter"] <= 1001
        and it.get("outcome") in {None, "NOT_APPLIED"}
        for it in results
    )


def throttled_at_first(upstream: InvitationsUpstream) -> list[float]:
    """Throttle the first call for a second, and answer the others. Return when each came, as a list that grows."""
    times: list[float] = []

    def handler(call: Request) -> Reply:
        times.append(time.monotonic())
        return answer(429, b"", b"Retry-After: 1") if len(times) == 1 else good(call)

    upstream.expect(handler)
    return times


def test_reads_that_wait_for_a_connection_are_refused(narrow: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda _: answer(429, b"", b"Retry-After: 1000"))
    errors = narrow.run(MANY_READS)["errors"]
    assert len(errors) == COUNT
    assert refused([it["extensions"] for it in errors])
    assert len(upstream.calls) == 1


def test_reads_that_wait_for_a_connection_wait_for_the_end_of_the_pause(
    narrow: Gateway, upstream: InvitationsUpstream
) -> None:
    times = throttled_at_first(upstream)
    narrow.data(MANY_READS)
    assert len(times) == COUNT + 1
    assert min(times[1:]) - times[0] > 0.95  # event loops count in milliseconds, and may wake up one early


@pytest.mark.parametrize("status", [429, 503])
def test_items_of_a_batch_that_wait_for_a_connection_are_not_sent(
    narrow: Gateway, upstream: InvitationsUpstream, status: int
) -> None:
    """A 503 holds up only its batch."""
    upstream.expect(lambda _: answer(status, b"", b"Retry-After: 1000"))
    first, *others = results_of(narrow.data(CREATE_ALL, {"inputs": inputs(COUNT)}))
    assert refused([it["error"] for it in others])
    assert first["error"]["status"] == status
    assert len(upstream.calls) == 1


def test_items_of_a_batch_that_wait_for_a_connection_wait_for_the_end_of_the_pause(
    narrow: Gateway, upstream: InvitationsUpstream
) -> None:
    times = throttled_at_first(upstream)
    results = results_of(narrow.data(CREATE_ALL, {"inputs": inputs(COUNT)}))
    assert outcomes(results) == ["created"] * COUNT
    assert len(times) == COUNT + 1
    assert min(times[1:]) - times[0] > 0.95
