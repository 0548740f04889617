"""`createInvitations` refuses inputs that are too large together, however small the request is."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from support.batches import outcomes, results_of
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.keys import gateway_with_memory, new_key

from gateway.invitations import InvitationV2Body
from gateway.schema.batch import MAX_INPUT_BYTES, are_too_large

LARGE = {"inviter": "a", "invitee": "b", "message": {"invitationMessage": {"body": "x" * 900_000}}}
SMALL = {**LARGE, "message": {}}


@pytest.fixture
def keyed(upstream: InvitationsUpstream) -> Iterator[Gateway]:
    with gateway_with_memory(upstream.url) as gateway:
        yield gateway


def document(count: int) -> str:
    """Return a document that uses its variable this many times."""
    return f"""mutation ($key: String, $input: CreateInvitationInput!) {{
      createInvitations(inputs: [{"$input " * count}], idempotencyKey: $key) {{
        results {{ index invitation {{ id }} error {{ outcome }} }}
      }} }}"""


def created(call: Request) -> bytes:
    return json_answer(201, {"id": "1", "trackingId": call.json["trackingId"]})


@pytest.mark.parametrize("key", [None, new_key()], ids=["without a key", "with a key"])
def test_a_large_variable_that_is_used_often_is_refused_and_nothing_is_sent(
    keyed: Gateway, upstream: InvitationsUpstream, key: str | None
) -> None:
    upstream.expect(created)
    variables: dict[str, Any] = {"key": key, "input": LARGE}
    for count in (100, 3):
        error = keyed.error(document(count), variables)
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
        assert str(MAX_INPUT_BYTES) in error["message"]
    assert upstream.calls == []
    results = results_of(keyed.data(document(2), variables))  # the key is still free
    assert outcomes(results) == ["created"] * 2
    assert len(upstream.calls) == 2


def test_a_small_variable_can_be_used_often(keyed: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(created)
    results = results_of(keyed.data(document(100), {"key": new_key(), "input": SMALL}))
    assert outcomes(results) == ["created"] * 100


def test_the_size_is_found_without_all_copies_in_memory() -> None:
    body = InvitationV2Body(inviter="x" * 500_000)
    assert not are_too_large([body] * 3)
    tracemalloc.start()
    try:
        assert are_too_large([body] * 100)
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()
