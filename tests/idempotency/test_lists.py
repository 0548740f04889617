"""What a client gets that calls `createInvitations` again with its key, and what the REST API gets."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from support.batches import CREATE_ALL_ONCE, codes, inputs, outcomes, results_of
from support.gateway import OWN, TOKEN, Gateway, running_gateway
from support.invitations_upstream import Handler, InvitationsUpstream, Reply, Request, always, json_answer
from support.keys import create, new_key, update
from support.scripted_upstream import UpstreamConnection, answer
from support.waiting import LIMIT

from gateway.invitations.batch import SIDE_BY_SIDE

COUNT = 25
Inputs = list[dict[str, Any]]


def call(gateway: Gateway, key: str, given: Inputs, authorization: str = OWN) -> list[dict[str, Any]]:
    variables = {"key": key, "inputs": given}
    return results_of(gateway.data(CREATE_ALL_ONCE, variables, authorization=authorization))


def refused(gateway: Gateway, key: str | None, given: Inputs, authorization: str | None = OWN) -> dict[str, Any]:
    error = gateway.error(CREATE_ALL_ONCE, {"key": key, "inputs": given}, authorization=authorization)
    assert error["extensions"]["outcome"] == "NOT_APPLIED"
    return error


def created(request: Request) -> bytes:
    return json_answer(201, {"id": f"id-{request.json['trackingId']}", **request.json})


def found(request: Request) -> bytes:
    return json_answer(200, {"id": request.target.rpartition("/")[2], "inviter": "as read"})


def serving(send: Callable[[Request], Reply] = created, read: Callable[[Request], Reply] = found) -> Handler:
    return lambda request: (read if request.method == "GET" else send)(request)


def sent(upstream: InvitationsUpstream) -> list[str]:
    """Return the tracking ids that were sent."""
    return [it.json["trackingId"] for it in upstream.calls if it.method == "POST"]


def numbers(count: int = COUNT) -> list[str]:
    return [str(it) for it in range(count)]


def test_what_was_created_is_read_again_side_by_side_with_the_callers_own_token(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    key, given, ten = new_key(), inputs(30), threading.Barrier(SIDE_BY_SIDE)
    upstream.expect(serving())
    assert outcomes(call(gateway, key, given)) == ["created"] * 30
    assert sorted(sent(upstream)) == sorted(numbers(30))

    def reading(request: Request) -> Reply:
        ten.wait(LIMIT)
        return found(request)

    upstream.expect(serving(read=reading))
    again = call(gateway, key, given, "Bearer renewed")

    assert [(it["invitation"]["id"], it["invitation"]["inviter"]) for it in again] == [
        (f"id-{it}", "as read") for it in range(30)
    ]
    assert {(it.method, it.headers["authorization"]) for it in upstream.calls} == {("GET", "Bearer renewed")}
    assert len(upstream.calls) == 30


def test_the_same_call_again_sends_only_what_is_certain_not_to_have_been_sent(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    key, given = new_key(), inputs(COUNT)
    replies: dict[str, Reply] = {
        "1": json_answer(409, {}),
        "3": UpstreamConnection.reset,
        "5": answer(201, b"{}"),
        "7": answer(500, b""),
    }
    upstream.expect(serving(lambda request: replies.get(request.json["trackingId"], created(request))))
    first = call(gateway, key, given)
    assert sorted(sent(upstream)) == sorted(numbers())

    for _ in range(2):
        upstream.expect(serving())
        again = call(gateway, key, given)
        told = {it["index"]: (it["error"]["code"], it["error"]["outcome"]) for it in again if it["error"]}
        assert told == {
            3: ("IDEMPOTENCY_UNKNOWN", "UNKNOWN"),
            5: ("UPSTREAM_INVALID_RESPONSE", "APPLIED"),
            7: ("IDEMPOTENCY_UNKNOWN", "UNKNOWN"),
        }
        assert [again[it]["error"]["trackingId"] for it in told] == [first[it]["error"]["trackingId"] for it in told]
        assert sent(upstream) in (["1"], [])
    assert sent(upstream) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given[:-1],
        lambda given: given[1:],
        lambda given: [*given, *inputs(1)],
        lambda given: given[::-1],
        lambda given: [{**given[0], "inviter": "c"}, *given[1:]],
    ],
    ids=["shorter", "without the first", "longer", "in another order", "with another input"],
)
def test_another_list_with_the_same_key_is_refused_as_a_whole(
    gateway: Gateway, upstream: InvitationsUpstream, change: Callable[[Inputs], Inputs]
) -> None:
    """All but one were refused, so their claims are free, and any could be sent in the place of another."""
    key, given = new_key(), inputs(5)
    upstream.expect(serving(lambda it: created(it) if it.json["trackingId"] == "2" else json_answer(400, {})))
    assert Counter(outcomes(call(gateway, key, given))) == {"NOT_APPLIED": 4, "created": 1}
    upstream.expect(serving())
    assert refused(gateway, key, change(given))["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert upstream.calls == []
    assert outcomes(call(gateway, key, given)) == ["created"] * 5


def test_equal_inputs_are_different_invitations(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    key = new_key()
    (one,) = inputs(1)
    del one["trackingId"]
    upstream.expect(serving())
    first = call(gateway, key, [one] * 3)
    ids = [it["invitation"]["trackingId"] for it in first]
    assert len(set(ids)) == 3
    assert sorted(sent(upstream)) == sorted(ids)
    assert key not in str(ids)
    assert [it["invitation"]["id"] for it in call(gateway, key, [one] * 3)] == [f"id-{it}" for it in ids]
    assert len(sent(upstream)) == 3


@pytest.mark.parametrize("other", [create, update])
def test_a_key_is_for_a_list_or_for_one_invitation(
    gateway: Gateway, upstream: InvitationsUpstream, other: Callable[[str], tuple[str, dict[str, object]]]
) -> None:
    lists, one = new_key(), new_key()
    upstream.expect(serving(lambda _: json_answer(201, {"id": "1"})))
    call(gateway, lists, inputs(1))
    gateway.data(*other(one))
    upstream.expect(serving())
    errors = [gateway.error(*other(lists)), refused(gateway, one, inputs(1))]
    assert [it["extensions"]["code"] for it in errors] == ["IDEMPOTENCY_KEY_REUSED"] * 2
    assert upstream.calls == []


def test_a_list_cannot_be_used_under_a_key_of_one_invitation_with_its_input(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    key, given = new_key(), inputs(1)
    upstream.expect(serving())
    gateway.data(*create(key, **given[0]))
    assert refused(gateway, key, given)["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert sent(upstream) == ["0"]


def test_nothing_is_sent_in_a_pause_although_claims_take_time(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    key, lock = new_key(), threading.Lock()
    refusal: list[float] = []
    arrived: list[float] = []
    ten = threading.Barrier(SIDE_BY_SIDE)

    def throttling(request: Request) -> Reply:
        with lock:
            arrived.append(monotonic())
            number = len(arrived)
        if number > SIDE_BY_SIDE:
            return created(request)
        ten.wait(LIMIT)
        with lock:
            refusal.append(monotonic())
        return answer(429, b"", b"Retry-After: 1")

    upstream.expect(serving(throttling))
    assert outcomes(call(gateway, key, inputs(COUNT))) == ["created"] * COUNT
    assert min(arrived[SIDE_BY_SIDE:]) >= max(refusal) + 1
    assert Counter(sent(upstream)) == {it: 2 if int(it) < SIDE_BY_SIDE else 1 for it in numbers()}


def test_reads_wait_for_a_pause_and_go_on(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    key, lock = new_key(), threading.Lock()
    upstream.expect(serving())
    call(gateway, key, inputs(COUNT))
    seen: Counter[str] = Counter()

    def throttled(request: Request) -> Reply:
        with lock:
            seen[request.target] += 1
            refuse = seen[request.target] == 1 and request.target.endswith(("7", "8"))
        return (
            answer(429 if request.target.endswith("7") else 503, b"", b"Retry-After: 0") if refuse else found(request)
        )

    upstream.expect(serving(read=throttled))
    assert outcomes(call(gateway, key, inputs(COUNT))) == ["created"] * COUNT
    assert len(upstream.calls) == COUNT + 4
    assert sent(upstream) == []


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (json_answer(403, {}), "FORBIDDEN"),
        (json_answer(404, {}), "NOT_FOUND"),
        (UpstreamConnection.reset, "UPSTREAM_UNAVAILABLE"),
        (answer(429, b"", b"Retry-After: 1000"), "RATE_LIMITED"),
    ],
)
def test_what_was_created_but_cannot_be_read_is_applied(
    gateway: Gateway, upstream: InvitationsUpstream, reply: Reply, code: str
) -> None:
    key = new_key()
    upstream.expect(serving())
    call(gateway, key, inputs(COUNT))
    upstream.expect(serving(read=lambda request: reply if request.target.endswith("/id-3") else found(request)))
    error = call(gateway, key, inputs(COUNT))[3]["error"]
    assert (error["code"], error["outcome"], error["trackingId"]) == (code, "APPLIED", "3")
    assert sent(upstream) == []


def test_what_was_not_sent_before_the_deadline_is_sent_by_the_same_call_again(
    upstream: InvitationsUpstream, tmp_path: Path
) -> None:
    key, given = new_key(), inputs(100)
    upstream.expect(always(UpstreamConnection.wait_until_client_closes))
    with running_gateway(upstream.url, upstream_timeout=0.5, idempotency_store=f"sqlite:///{tmp_path}/db") as gateway:
        first = call(gateway, key, given)
    lost = sent(upstream)
    assert outcomes(first) == ["UNKNOWN" if it in lost else "NOT_APPLIED" for it in numbers(100)]
    upstream.expect(serving())
    with running_gateway(upstream.url, idempotency_store=f"sqlite:///{tmp_path}/db") as gateway:
        again = call(gateway, key, given)
    assert codes(again) == ["IDEMPOTENCY_UNKNOWN" if it in lost else "created" for it in numbers(100)]
    assert sorted([*lost, *sent(upstream)]) == sorted(numbers(100))


def test_without_a_store_nothing_is_sent(upstream: InvitationsUpstream) -> None:
    upstream.expect(serving())
    with running_gateway(upstream.url) as gateway:
        error = refused(gateway, new_key(), inputs(2))
        assert "GATEWAY_IDEMPOTENCY_STORE" in error["message"]
        assert upstream.calls == []
        assert (
            outcomes(results_of(gateway.data(CREATE_ALL_ONCE, {"key": None, "inputs": inputs(2)}))) == ["created"] * 2
        )


def test_a_call_that_is_refused_does_not_use_up_its_key(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    key = new_key()
    upstream.expect(serving())
    assert refused(gateway, "short", inputs(2))["extensions"]["code"] == "BAD_USER_INPUT"
    assert refused(gateway, key, [])["extensions"]["code"] == "BAD_USER_INPUT"
    assert upstream.calls == []
    assert codes(call(gateway, key, inputs(1))) == ["created"]


def test_without_a_token_or_a_claim_nothing_is_sent(upstream: InvitationsUpstream) -> None:
    upstream.expect(serving())
    with running_gateway(upstream.url, idempotency_store="sqlite:////no such folder/keys.db") as gateway:
        errors = [refused(gateway, new_key(), inputs(2), authorization) for authorization in (None, TOKEN)]
    assert [it["extensions"]["code"] for it in errors] == ["UNAUTHENTICATED", "IDEMPOTENCY_STORE_UNAVAILABLE"]
    assert upstream.calls == []
