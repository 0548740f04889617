"""What is sent again, when, and what never is."""

import time
from collections import defaultdict
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest
from support.certificates import self_signed
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer, replying
from support.operations import CREATE, GET, LIST, MUTATIONS, OPERATIONS, QUERIES, UPDATE, Operation
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer

GOOD = json_answer(200, {"id": "1", "value": []})
"""An invitation and a page at once."""
MAY_PASS = [429, 502, 503, 504]
FINAL = [300, 307, 400, 401, 403, 404, 405, 408, 409, 410, 412, 422, 425, 500, 501, 505, 507, 599]


def lose(connection: UpstreamConnection) -> None:
    connection.close()


def ids(upstream: InvitationsUpstream) -> set[str]:
    return {call.headers["client-request-id"] for call in upstream.calls}


@pytest.mark.parametrize("operation", QUERIES.values(), ids=QUERIES.keys())
@pytest.mark.parametrize("failure", [*(answer(status, b"") for status in MAY_PASS), lose], ids=[*MAY_PASS, "lost"])
def test_a_get_is_tried_three_times_on_what_may_pass(
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
def test_a_get_is_not_tried_again_on_what_will_not_pass(
    gateway: Gateway, upstream: InvitationsUpstream, status: int, operation: Operation
) -> None:
    upstream.expect(replying(answer(status, b""), GOOD))
    gateway.run(operation.query)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_is_sent_again_after_429(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(replying(answer(429, b""), answer(429, b""), GOOD))
    gateway.data(operation.query)
    assert len(upstream.calls) == len(ids(upstream)) == 3
    assert len({call.body for call in upstream.calls}) == 1

    upstream.expect(always(answer(429, b"")))
    assert gateway.error(operation.query)["extensions"]["outcome"] == "NOT_APPLIED"
    assert len(upstream.calls) == 3


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
@pytest.mark.parametrize(
    "failure",
    [*(answer(status, b"") for status in (*FINAL, 502, 503, 504)), answer(503, b"", b"Retry-After: 0"), lose],
    ids=[*FINAL, 502, 503, 504, "503 with Retry-After", "lost"],
)
def test_a_mutation_is_not_sent_again_on_anything_else(
    gateway: Gateway, upstream: InvitationsUpstream, failure: Reply, operation: Operation
) -> None:
    upstream.expect(replying(failure, GOOD))
    gateway.error(operation.query)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_mutation_after_which_the_connection_is_lost_after_429_is_not_sent_again(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(replying(answer(429, b""), lose, GOOD))
    assert gateway.error(operation.query)["extensions"]["outcome"] == "UNKNOWN"
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_request_for_which_no_connection_was_made_is_tried_three_times(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = self_signed(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

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


SECONDS: dict[str, Callable[[], bytes]] = {
    "seconds": lambda: b"1",
    "a date": lambda: formatdate(time.time() + 2, usegmt=True).encode(),
}


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
@pytest.mark.parametrize("value", SECONDS.values(), ids=SECONDS.keys())
def test_nothing_is_sent_before_retry_after_is_over(
    gateway: Gateway, upstream: InvitationsUpstream, value: Callable[[], bytes], operation: Operation
) -> None:
    times: list[float] = []

    def handler(_: object) -> bytes:
        times.append(time.monotonic())
        return answer(429, b"", b"Retry-After: " + value()) if len(times) == 1 else GOOD

    upstream.expect(handler)
    gateway.data(operation.query)

    first, second = times
    assert second - first > 0.95  # event loops count in milliseconds, and may be one early


FAR: dict[str, tuple[Callable[[], bytes], range]] = {
    "seconds": (lambda: b"3600", range(3600, 3601)),
    "a date": (lambda: formatdate(time.time() + 3600, usegmt=True).encode(), range(3000, 3601)),
    "very many seconds": (lambda: b"99999999999999999999", range(3600, 10**20)),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize(("value", "told"), FAR.values(), ids=FAR.keys())
def test_a_retry_after_beyond_the_deadline_fails_at_once_and_is_told(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation, value: Callable[[], bytes], told: range
) -> None:
    for status in (429, 503):
        upstream.expect(always(answer(status, b"", b"Retry-After: " + value())))
        assert gateway.error(operation.query)["extensions"]["retryAfter"] in told
        assert len(upstream.calls) == 1


@pytest.mark.parametrize("value", [b"soon", b"-5", b"1.5", b"", b"Wed, 99 Foo 2026 99:99:99 GMT", b"\xb2"])
def test_a_retry_after_that_cannot_be_read_is_as_if_it_were_absent(
    gateway: Gateway, upstream: InvitationsUpstream, value: bytes
) -> None:
    upstream.expect(replying(answer(429, b"", b"Retry-After: " + value), GOOD))
    gateway.data(GET.query)
    assert len(upstream.calls) == 2

    upstream.expect(always(answer(500, b"", b"Retry-After: " + value)))
    assert "retryAfter" not in gateway.error(GET.query)["extensions"]


def test_a_retry_after_in_the_past_is_now(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(replying(answer(503, b"", b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"), GOOD))
    gateway.data(LIST.query)
    assert len(upstream.calls) == 2


def test_the_re_read_of_an_update_is_tried_three_times_and_the_update_once(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(replying(answer(204, b""), answer(503, b""), lose, GOOD))
    gateway.data(UPDATE.query)
    assert [call.method for call in upstream.calls] == ["PATCH", "GET", "GET", "GET"]


def test_the_pauses_between_tries_are_not_all_the_same(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    times: defaultdict[str, list[float]] = defaultdict(list)

    def handler(call: Request) -> bytes:
        times[call.target].append(time.monotonic())
        return answer(502, b"") if len(times[call.target]) == 1 else GOOD

    upstream.expect(handler)
    gateway.data("{" + " ".join(f'a{n}: invitation(id: "{n}") {{ id }}' for n in range(20)) + "}")

    pauses = [second - first for first, second in times.values()]
    assert len(pauses) == 20
    assert min(pauses) > 0.01
    assert max(pauses) - min(pauses) > 0.03
