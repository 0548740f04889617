"""`createInvitations`: many invitations side by side, each with a result of its own."""

import json
import threading
from base64 import b64encode
from time import monotonic, sleep
from typing import Any

import pytest
from support.batches import CREATE_ALL, inputs, outcomes, results_of
from support.gateway import Gateway, GatewayProcess, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.raw_http import RawConnection, request
from support.scripted_upstream import UpstreamConnection, answer
from support.waiting import LIMIT, wait_until

from gateway.engine import operation
from gateway.invitations.batch import DEADLINE_FACTOR, SIDE_BY_SIDE
from gateway.server.run import SHUTDOWN_FACTOR

pytestmark = pytest.mark.quick

ONE = '{inviter: "a", invitee: "b", message: {}}'


def created(call: Request) -> bytes:
    return json_answer(201, {"id": f"id-{call.json['trackingId']}", **call.json})


def position(call: Request) -> int:
    return int(call.json["trackingId"])


def run(gateway: Gateway, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return results_of(gateway.data(CREATE_ALL, {"inputs": given}))


def test_the_results_have_the_order_of_the_inputs(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    later = threading.Event()

    def handler(call: Request) -> Reply:
        if position(call) == 0:
            assert later.wait(LIMIT)
        elif position(call) == SIDE_BY_SIDE + 5:
            later.set()
        return created(call)

    upstream.expect(handler)

    results = run(gateway, inputs(SIDE_BY_SIDE + 6))

    assert [it["invitation"]["id"] for it in results] == [f"id-{it}" for it in range(SIDE_BY_SIDE + 6)]


def test_a_failure_is_the_error_of_its_input_and_the_others_are_created(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    refusal = {"error": {"code": "Conflict", "innerError": {"request-id": "r-1"}}}
    replies: dict[int, Reply] = {
        1: json_answer(409, refusal),
        3: UpstreamConnection.reset,
        5: answer(201, b"{}"),
        7: answer(500, b""),
    }
    upstream.expect(lambda call: replies.get(position(call), created(call)))

    results = run(gateway, inputs(20))

    told = {it: results[it]["error"] for it in replies}
    assert {it: (error["code"], error["outcome"]) for it, error in told.items()} == {
        1: ("CONFLICT", "NOT_APPLIED"),
        3: ("UPSTREAM_UNAVAILABLE", "UNKNOWN"),
        5: ("UPSTREAM_INVALID_RESPONSE", "APPLIED"),
        7: ("UPSTREAM_ERROR", "UNKNOWN"),
    }
    assert (told[1]["status"], told[1]["upstreamCode"], told[1]["requestId"]) == (409, "Conflict", "r-1")
    assert all(error["trackingId"] == str(it) and error["clientRequestId"] for it, error in told.items())
    assert outcomes(results).count("created") == 16
    assert sorted(map(position, upstream.calls)) == list(range(20))


def test_an_error_has_everything_that_extensions_have(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    claims = b64encode(b"{}").decode()
    challenge = f'WWW-Authenticate: Bearer error="insufficient_claims", claims="{claims}"'.encode()
    headers = (challenge, b"Retry-After: 7", b"request-id: r-2")
    upstream.expect(lambda _: json_answer(401, {"error": {"code": "Expired"}}, *headers))

    (result,) = run(gateway, inputs(1))
    one = "mutation ($input: CreateInvitationInput!) { createInvitation(input: $input) { id } }"
    error = gateway.error(one, {"input": inputs(1)[0]})

    expected = {**error["extensions"], "message": error["message"]}
    assert set(result["error"]) == set(expected)
    del result["error"]["clientRequestId"], expected["clientRequestId"]
    assert result["error"] == expected


@pytest.mark.parametrize(
    "wrong", [{"created": 2**63}, {"invitee": None}, {"message": {"invitationMessage": {"body": 1}}}, {"unknown": 1}]
)
def test_one_bad_input_refuses_the_document_before_anything_is_sent(
    wrong: dict[str, Any], gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(created)
    given = inputs(3)
    given[2] |= wrong
    for _ in range(3):  # with graphql-core, and with a plan
        error = gateway.refusal(CREATE_ALL, {"inputs": given})
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
    assert upstream.calls == []


def test_null_for_a_variable_with_a_default_refuses_only_this_field(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    """GraphQL finds it only when it executes the field (October 2021, section 5.8.5)."""
    document = f"""mutation ($inviter: String = "a") {{
      before: createInvitation(input: {ONE}) {{ id }}
      createInvitations(inputs: [{ONE}, {{inviter: $inviter, invitee: "b", message: {{}}}}]) {{ results {{ index }} }}
    }}"""
    for _ in range(3):  # with graphql-core, and with a plan
        upstream.expect(lambda call: json_answer(201, {**call.json, "id": "1"}))
        content = gateway.run(document, {"inviter": None})
        assert content["data"] == {"before": {"id": "1"}, "createInvitations": None}
        (error,) = content["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
        assert len(upstream.calls) == 1


def test_there_must_be_1_to_100_inputs(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(created)
    assert outcomes(run(gateway, inputs(100))) == ["created"] * 100
    upstream.expect(created)
    too_long = gateway.refusal(CREATE_ALL, {"inputs": inputs(101)})
    errors = [
        gateway.error(CREATE_ALL, {"inputs": []}),
        gateway.error(f"mutation {{ createInvitations(inputs: [{ONE * 101}]) {{ results {{ index }} }} }}"),
    ]
    assert too_long["message"] == "A list in the variables is too long: at most 100 items are allowed."
    assert [it["message"] for it in errors] == ["`inputs` must have 1 to 100 items."] * 2
    for error in (too_long, *errors):
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
    assert upstream.calls == []


def test_a_request_can_have_only_one_batch(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(created)
    fields = " ".join(f"a{it}: createInvitations(inputs: $inputs) {{ results {{ index }} }}" for it in range(20))

    content = gateway.run(f"mutation ($inputs: [CreateInvitationInput!]!) {{ {fields} }}", {"inputs": inputs(100)})

    assert len(content["data"].pop("a0")["results"]) == len(upstream.calls) == 100
    assert set(content["data"].values()) == {None}
    assert {error["extensions"]["outcome"] for error in content["errors"]} == {"NOT_APPLIED"}
    assert "only once" in content["errors"][0]["message"]


def test_without_a_token_nothing_is_sent(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    error = gateway.error(CREATE_ALL, {"inputs": inputs(2)}, authorization=None)
    assert error["extensions"] == {"code": "UNAUTHENTICATED", "outcome": "NOT_APPLIED"}
    assert upstream.calls == []


def test_100_inputs_with_all_properties_and_long_texts_are_created(
    gateway: Gateway, upstream: InvitationsUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"invitationTemplateID": "t" * 100, "invitationMessage": {"body": "ü" * 4_500}}
    given = [
        {**it, "id": f"id-{number}", "created": str(number), "lastModified": number, "message": message}
        for number, it in enumerate(inputs(100))
    ]
    for run_number in range(3):
        if run_number == 2:  # from now on, only with a plan
            monkeypatch.setattr(operation, "execute", None)
        upstream.expect(created)
        results = run(gateway, given)
        assert [it["invitation"]["trackingId"] for it in results] == [str(it) for it in range(100)]
        assert {it["invitation"]["message"]["invitationMessage"]["body"] for it in results} == {"ü" * 4_500}
        sent = {call.json["id"]: call.json for call in upstream.calls}
        assert len(sent) == len(upstream.calls) == 100
        assert sent["id-42"]["created"] == sent["id-42"]["lastModified"] == 42


def test_answers_that_are_too_large_together_are_errors_at_their_places(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(lambda call: json_answer(201, {"id": "1" * 3_000_000, "trackingId": call.json["trackingId"]}))
    results = run(gateway, inputs(3))
    assert sorted(outcomes(results)) == ["APPLIED", "created", "created"]
    (error,) = [it["error"] for it in results if it["error"]]
    assert (error["code"], error["message"]) == (
        "ANSWER_TOO_LARGE",
        "The response is too large: all invitations together may have at most 8000000 bytes.",
    )
    assert error["trackingId"] in {"0", "1", "2"}


def test_an_answer_that_is_too_large_because_of_aliases_has_an_unknown_outcome(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    """Some of its invitations may have failed."""
    upstream.expect(
        lambda call: answer(409, b"") if position(call) else json_answer(201, {"id": "1", "inviter": "x" * 5_000_000})
    )
    aliases = " ".join(f"a{it}: inviter" for it in range(4))
    document = f"""mutation ($inputs: [CreateInvitationInput!]!) {{
      createInvitations(inputs: $inputs) {{ results {{ invitation {{ {aliases} }} error {{ outcome }} }} }} }}"""
    content = gateway.run(document, {"inputs": inputs(2)})
    assert content["data"] is None
    (error,) = content["errors"]
    assert error["extensions"] == {"code": "ANSWER_TOO_LARGE", "outcome": "UNKNOWN"}


def test_nothing_is_sent_while_the_api_throttles_and_then_fewer_at_once(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    all_at_once, half = threading.Barrier(SIDE_BY_SIDE), threading.Barrier(SIDE_BY_SIDE // 2)
    lock = threading.Lock()
    arrived: list[float] = []
    refused: list[float] = []
    at_once = 0

    def handler(call: Request) -> Reply:
        nonlocal at_once
        with lock:
            arrived.append(monotonic())
            first = len(arrived) <= SIDE_BY_SIDE
            at_once += 1
            assert at_once <= (SIDE_BY_SIDE if first else SIDE_BY_SIDE // 2)
        (all_at_once if first else half).wait(LIMIT)
        with lock:
            at_once -= 1
            if not first:
                return created(call)
            refused.append(monotonic())
            return answer(429, b"", b"Retry-After: 1")

    upstream.expect(handler)

    results = run(gateway, inputs(SIDE_BY_SIDE + 10))

    assert outcomes(results) == ["created"] * (SIDE_BY_SIDE + 10)
    assert min(arrived[SIDE_BY_SIDE:]) >= max(refused) + 1
    assert sorted(map(position, upstream.calls[SIDE_BY_SIDE:])) == list(range(SIDE_BY_SIDE + 10))


def test_one_that_is_always_throttled_does_not_hold_up_the_others(upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda call: answer(429, b"", b"Retry-After: 0") if position(call) == 1 else created(call))
    with running_gateway(upstream.url, upstream_timeout=1) as gateway:
        results = run(gateway, inputs(30))
    expected = ["created"] * 30
    expected[1] = "NOT_APPLIED"
    assert outcomes(results) == expected
    assert (results[1]["error"]["code"], results[1]["error"]["trackingId"]) == ("RATE_LIMITED", "1")
    assert sorted(set(map(position, upstream.calls))) == list(range(30))
    assert len(upstream.calls) > 31


@pytest.mark.parametrize(
    ("retry_after", "told"),
    [(b"Retry-After: 1000", 1000), (b"Retry-After: 9999999999", 2**31 - 1), (b"Retry-After: soon", None)],
)
def test_what_cannot_be_sent_before_the_deadline_is_not_applied(
    retry_after: bytes, told: int | None, gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    everyone = threading.Barrier(SIDE_BY_SIDE)

    def handler(call: Request) -> Reply:
        if position(call) < SIDE_BY_SIDE:
            everyone.wait(LIMIT)
        return answer(429, b"", retry_after) if position(call) == 3 else created(call)

    upstream.expect(handler)

    results = run(gateway, inputs(40))

    sent = sorted(map(position, upstream.calls))
    assert sent[:9] == list(range(9))
    assert outcomes(results) == ["NOT_APPLIED" if it == 3 or it not in sent else "created" for it in range(40)]
    errors = {it["index"]: it["error"] for it in results if it["error"]}
    assert {error["code"] for error in errors.values()} == {"RATE_LIMITED"}
    assert errors.pop(3)["trackingId"] == "3"
    for error in errors.values():
        assert error["trackingId"] is error["clientRequestId"] is None
        assert error["retryAfter"] == pytest.approx(told, abs=LIMIT) if told else error["retryAfter"] is None


def test_what_was_sent_before_the_deadline_is_unknown_and_the_rest_not_applied(upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda _: UpstreamConnection.wait_until_client_closes)
    with running_gateway(upstream.url, upstream_timeout=0.5) as gateway:
        results = run(gateway, inputs(100))
    sent = set(map(position, upstream.calls))
    assert outcomes(results) == ["UNKNOWN" if it in sent else "NOT_APPLIED" for it in range(100)]
    assert len(sent) == len(upstream.calls) < 100
    assert {it["error"]["code"] for it in results} == {"UPSTREAM_TIMEOUT"}


def test_what_waits_too_long_for_a_connection_is_tried_again_after_the_others(
    upstream: InvitationsUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(call: Request) -> Reply:
        sleep(0.25)
        return created(call)

    upstream.expect(handler)
    with running_gateway(upstream.url, upstream_timeout=4, max_operations=1) as gateway:
        results = run(gateway, inputs(SIDE_BY_SIDE))
    assert "cause=PoolTimeout" in caplog.text
    assert outcomes(results) == ["created"] * SIDE_BY_SIDE
    assert len(upstream.calls) == SIDE_BY_SIDE


def test_it_runs_to_the_end_although_the_client_disconnects(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    left = threading.Event()

    def handler(call: Request) -> Reply:
        assert left.wait(LIMIT)
        return created(call)

    upstream.expect(handler)
    body = json.dumps({"query": CREATE_ALL, "variables": {"inputs": inputs(50)}}).encode()
    with RawConnection(gateway.port) as connection:
        connection.send(request(body, b"Authorization: Bearer of-the-test"))
        wait_until(lambda: len(upstream.calls) == SIDE_BY_SIDE, "the first are sent")
    left.set()
    wait_until(lambda: len(upstream.calls) == 50, "all are sent")
    assert sorted(map(position, upstream.calls)) == list(range(50))


def test_the_sandbox_rehearses_a_batch_with_one_throttled_one_refused_and_one_lost(dev: GatewayProcess) -> None:
    given = inputs(30)
    for place, name in {11: "throttled-at-first", 12: "forbidden", 13: "lost"}.items():
        given[place]["invitee"] = f"urn:li:sandbox:{name}"

    results = run(dev, given)

    assert [(it["index"], it["error"]["outcome"]) for it in results if it["error"]] == [
        (12, "NOT_APPLIED"),
        (13, "UNKNOWN"),
    ]


def test_the_shutdown_waits_for_longer_than_a_batch_takes() -> None:
    assert SHUTDOWN_FACTOR > DEADLINE_FACTOR
