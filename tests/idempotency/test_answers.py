"""What a client gets that sends a mutation again with its key, and what the REST API gets."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer, replying
from support.keys import CREATE, INPUT, MUTATIONS, create, new_key, serving, update
from support.scripted_upstream import UpstreamConnection, answer
from support.waiting import wait_until

Mutation = Callable[..., tuple[str, dict[str, object]]]
CREATED = json_answer(201, {"id": "1", "inviter": "as sent"})
each_mutation = pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)


def methods(upstream: InvitationsUpstream) -> list[str]:
    return [call.method for call in upstream.calls]


def lost(connection: UpstreamConnection) -> None:
    """Close the connection without a response."""
    connection.close()


@each_mutation
def test_a_mutation_that_was_done_is_not_sent_again_but_read_with_the_callers_own_token(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation
) -> None:
    upstream.expect(serving(CREATED))
    key = new_key()
    (first,) = gateway.data(*mutation(key)).values()
    (second,) = gateway.data(*mutation(key), authorization="Bearer renewed").values()
    assert (first["inviter"], second) == ("as sent", {"id": "1", "inviter": "as read"})
    sent, read = upstream.calls
    assert sent.method != "GET"
    assert (read.method, read.target) == ("GET", "/v1.0/linkedIn/invitations/1")
    assert (sent.headers["authorization"], read.headers["authorization"]) == (gateway.authorization, "Bearer renewed")


@each_mutation
@pytest.mark.parametrize(
    ("status", "code"), [(401, "UNAUTHENTICATED"), (403, "FORBIDDEN"), (404, "NOT_FOUND"), (500, "UPSTREAM_ERROR")]
)
def test_a_mutation_that_was_done_but_cannot_be_read_is_an_error_that_says_applied(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation, status: int, code: str
) -> None:
    upstream.expect(serving(CREATED, json_answer(status, {})))
    key = new_key()
    gateway.data(*mutation(key))
    extensions = gateway.error(*mutation(key))["extensions"]
    assert (extensions["code"], extensions["outcome"]) == (code, "APPLIED")
    assert sum(method != "GET" for method in methods(upstream)) == 1


@each_mutation
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_the_key_of_a_refused_mutation_can_be_used_again(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation, status: int
) -> None:
    upstream.expect(replying(json_answer(status, {}), CREATED))
    key = new_key()
    assert gateway.error(*mutation(key))["extensions"]["outcome"] == "NOT_APPLIED"
    (done,) = gateway.data(*mutation(key, inviter="someone else")).values()
    assert done == {"id": "1", "inviter": "as sent"}
    assert len(upstream.calls) == 2


@each_mutation
@pytest.mark.parametrize("reply", [lost, json_answer(500, {}), json_answer(302, {})], ids=["lost", "500", "302"])
def test_a_mutation_whose_outcome_is_unknown_is_never_sent_again(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation, reply: Reply
) -> None:
    upstream.expect(serving(reply))
    key = new_key()
    first = gateway.error(*mutation(key))["extensions"]
    again = [gateway.error(*mutation(key))["extensions"] for _ in range(3)]
    assert first["outcome"] == "UNKNOWN"
    assert {(it["code"], it["outcome"]) for it in again} == {("IDEMPOTENCY_UNKNOWN", "UNKNOWN")}
    assert {it.get("trackingId") for it in again} == {first.get("trackingId")}
    assert len(upstream.calls) == 1


def test_the_default_tracking_id_of_a_key_is_always_the_same(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(replying(json_answer(400, {}), lost))
    key, other = new_key(), new_key()
    gateway.error(*create(key))
    unknown = gateway.error(*create(key))["extensions"]["trackingId"]
    assert gateway.error(*create(key))["extensions"]["trackingId"] == unknown
    upstream_saw = [call.json["trackingId"] for call in upstream.calls]
    assert upstream_saw == [unknown, unknown]
    assert key not in unknown
    gateway.error(*create(other))
    assert upstream.calls[-1].json["trackingId"] != unknown


def test_a_tracking_id_in_the_input_is_sent_and_reported_as_it_is(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(serving(lost))
    key = new_key()
    for _ in range(2):
        assert gateway.error(*create(key, trackingId="mine"))["extensions"]["trackingId"] == "mine"
    (call,) = upstream.calls
    assert call.json["trackingId"] == "mine"


def test_a_create_whose_response_was_unusable_stays_applied(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(answer(201, b"not JSON")))
    key = new_key()
    for _ in range(3):
        extensions = gateway.error(*create(key))["extensions"]
        assert (extensions["code"], extensions["outcome"]) == ("UPSTREAM_INVALID_RESPONSE", "APPLIED")
    assert methods(upstream) == ["POST"]


def test_an_update_whose_response_was_unusable_is_read_again(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(serving(answer(200, b"not JSON")))
    key = new_key()
    assert gateway.error(*update(key))["extensions"]["outcome"] == "APPLIED"
    assert gateway.data(*update(key)) == {"updateInvitation": {"id": "1", "inviter": "as read"}}
    assert methods(upstream) == ["PATCH", "GET"]


@pytest.mark.parametrize("reply", [CREATED, lost], ids=["done", "unknown"])
@pytest.mark.parametrize(
    "other",
    [lambda key: create(key, inviter="c"), lambda key: create(key, created=1), lambda key: update(key, inviter="a")],
    ids=["other text", "another property", "another mutation"],
)
def test_a_key_that_was_used_for_something_else_is_refused(
    gateway: Gateway, upstream: InvitationsUpstream, reply: Reply, other: Mutation
) -> None:
    upstream.expect(serving(reply))
    key = new_key()
    gateway.run(*create(key))
    error = gateway.error(*other(key))
    assert (error["extensions"]["code"], error["extensions"]["outcome"]) == ("IDEMPOTENCY_KEY_REUSED", "NOT_APPLIED")
    assert key not in error["message"]
    assert methods(upstream) == ["POST"]


def test_the_same_input_in_another_notation_is_the_same(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(serving(CREATED))
    key = new_key()
    gateway.data(*create(key, created=5, trackingId=None))
    gateway.data(*create(key, created="5"))
    literal = f'{{ inviter: "a", created: "5", invitee: "b", message: {{}} }}, idempotencyKey: "{key}"'
    gateway.data(f"mutation {{ createInvitation(input: {literal}) {{ id }} }}")
    assert methods(upstream) == ["POST", "GET", "GET"]


def test_an_absent_property_of_an_update_is_another_input_than_null(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(serving(CREATED))
    key = new_key()
    gateway.data(*update(key))
    assert gateway.error(*update(key, invitee=None))["extensions"]["code"] == "IDEMPOTENCY_KEY_REUSED"


@each_mutation
def test_twenty_requests_at_once_with_one_key_are_sent_once(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation
) -> None:
    release = threading.Event()
    key = new_key()

    def held(request: Request) -> Reply:
        if request.method == "GET":  # of a request that came when the mutation was done
            return json_answer(200, {"id": "1", "inviter": "as sent"})
        release.wait()
        return CREATED

    upstream.expect(held)
    with ThreadPoolExecutor(22) as pool:
        try:
            running = [pool.submit(gateway.run, *mutation(key)) for _ in range(20)]
            wait_until(lambda: upstream.calls, "the mutation is sent")
            other = gateway.error(*mutation(key), authorization="Bearer another")["extensions"]
            reused = gateway.error(*mutation(key, inviter="c"))["extensions"]
        finally:
            release.set()
        answers = [it.result() for it in running]
    assert [answer for answer in answers if answer != answers[0]] == []
    assert "errors" not in answers[0]
    assert (other["code"], other["outcome"]) == ("IDEMPOTENCY_IN_PROGRESS", "UNKNOWN")
    assert 1 <= other["retryAfter"] <= 2
    assert reused["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert sum(method != "GET" for method in methods(upstream)) == 1


def test_requests_that_join_one_that_fails_get_its_error(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    release = threading.Event()
    key = new_key()

    def held(_: Request) -> Reply:
        release.wait()
        return lost

    upstream.expect(held)
    with ThreadPoolExecutor(8) as pool:
        try:
            first = pool.submit(gateway.error, *create(key))
            wait_until(lambda: upstream.calls, "the mutation is sent")
            joining = [pool.submit(gateway.error, *create(key)) for _ in range(7)]
        finally:
            release.set()
        outcomes = {it.result()["extensions"]["outcome"] for it in [first, *joining]}
    assert outcomes == {"UNKNOWN"}
    assert len(upstream.calls) == 1


def test_a_document_can_use_a_key_for_each_field(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(serving(CREATED))
    same = new_key()
    fields = " ".join(
        f'{name}: createInvitation(input: $input, idempotencyKey: "{key}") {{ inviter }}'
        for name, key in zip("abc", [same, same, new_key()], strict=True)
    )
    data = gateway.data(f"mutation ($input: CreateInvitationInput!) {{ {fields} }}", {"input": INPUT})
    assert [data[name]["inviter"] for name in "abc"] == ["as sent", "as read", "as sent"]
    assert methods(upstream) == ["POST", "GET", "POST"]


@each_mutation
@pytest.mark.parametrize(
    "key",
    ["", "x" * 15, "x" * 256, "with a space in it", "x" * 16 + "\n", "x" * 16 + "\x7f", "\u00e9" * 16],
)
def test_an_invalid_key_is_refused_before_anything_is_sent(
    gateway: Gateway, upstream: InvitationsUpstream, mutation: Mutation, key: str
) -> None:
    upstream.expect(always(CREATED))
    error = gateway.error(*mutation(key))
    assert (error["extensions"]["code"], error["extensions"]["outcome"]) == ("BAD_USER_INPUT", "NOT_APPLIED")
    assert "16 to 255 visible ASCII characters" in error["message"]
    assert not key or key not in error["message"]
    assert upstream.calls == []


@pytest.mark.parametrize("key", ["!" * 16, "~" * 255])
def test_the_shortest_and_the_longest_keys_are_accepted(
    gateway: Gateway, upstream: InvitationsUpstream, key: str
) -> None:
    upstream.expect(serving(CREATED))
    for _ in range(2):
        gateway.data(*create(key))
    assert methods(upstream) == ["POST", "GET"]


def test_null_is_no_key(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    for variables in [{"input": INPUT, "key": None}, {"input": INPUT}]:
        gateway.data(CREATE, variables)
    assert methods(upstream) == ["POST", "POST"]


def test_an_update_without_changes_does_not_use_up_its_key(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    key = new_key()
    nothing = 'mutation ($key: String) { updateInvitation(input: {id: "1"}, idempotencyKey: $key) { id } }'
    assert gateway.error(nothing, {"key": key})["extensions"]["code"] == "BAD_USER_INPUT"
    gateway.data(*update(key))


@each_mutation
def test_without_a_store_a_key_is_refused_with_the_name_of_the_setting(
    upstream: InvitationsUpstream, mutation: Mutation
) -> None:
    upstream.expect(always(CREATED))
    with running_gateway(upstream.url) as gateway:
        error = gateway.error(*mutation(new_key()))
        assert "GATEWAY_IDEMPOTENCY_STORE" in error["message"]
        assert (error["extensions"]["code"], error["extensions"]["outcome"]) == ("BAD_USER_INPUT", "NOT_APPLIED")
    assert upstream.calls == []


def test_without_a_token_a_key_is_not_used_up() -> None:
    with (
        InvitationsUpstream(always(CREATED)) as upstream,
        running_gateway(upstream.url, idempotency_store="sqlite:////no such folder/keys.db") as gateway,
    ):
        error = gateway.error(*create(new_key()), authorization=None)
        # With a token, the gateway asks its store, and there is none.
        asked = gateway.error(*create(new_key()))
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert asked["extensions"]["code"] == "IDEMPOTENCY_STORE_UNAVAILABLE"
    assert upstream.calls == []
