"""Limits on what an error repeats from a response, and how it is parsed."""

import json
from collections.abc import Iterator

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.operations import CREATE, GET
from support.scripted_upstream import answer


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[InvitationsUpstream, Gateway]]:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        yield upstream, gateway


CHALLENGE = b'WWW-Authenticate: Bearer realm="", error="insufficient_claims", claims="%b"'
CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}'
SHOWN: dict[str, tuple[bytes, str | None]] = {
    "quotes": (json.dumps(CLAIMS)[1:-1].encode(), CLAIMS),
    "a backslash": (rb"a\\b", r"a\b"),
    "as long as it may be": (b"x" * 8192, "x" * 8192),
    "too long": (b"x" * 8193, None),
    "a tab": (b"a\tb", None),
    "a control of Unicode": (b"a\xc2\x85b", None),
}


@pytest.mark.parametrize(("value", "shown"), SHOWN.values(), ids=SHOWN.keys())
def test_a_claims_challenge_is_unquoted_and_shown_only_if_it_is_printable_and_no_longer_than_8192_characters(
    served: tuple[InvitationsUpstream, Gateway], value: bytes, shown: str | None
) -> None:
    upstream, gateway = served
    upstream.expect(always(answer(401, b"", CHALLENGE % value)))
    assert gateway.error(GET.query)["extensions"].get("claims") == shown


@pytest.mark.parametrize(("size", "is_shown"), [(128, True), (129, False)])
def test_a_code_and_a_request_id_are_shown_up_to_128_characters(
    served: tuple[InvitationsUpstream, Gateway], size: int, *, is_shown: bool
) -> None:
    upstream, gateway = served
    word = "x" * size
    upstream.expect(
        always(json_answer(403, {"error": {"code": word}}, b"request-id: " + word.encode())),
    )
    extensions = gateway.error(GET.query)["extensions"]
    assert ("upstreamCode" in extensions, "requestId" in extensions) == (is_shown, is_shown)


@pytest.mark.parametrize(("size", "is_shown"), [(1000, True), (1001, False)])
def test_a_tracking_id_is_repeated_up_to_1000_characters(
    served: tuple[InvitationsUpstream, Gateway], size: int, *, is_shown: bool
) -> None:
    upstream, gateway = served
    upstream.expect(always(answer(409, b"")))
    query = CREATE.query.replace("message: {}", f'message: {{}}, trackingId: "{"x" * size}"')
    assert ("trackingId" in gateway.error(query)["extensions"]) is is_shown


@pytest.mark.parametrize("status", [401, 403])
def test_the_names_in_a_challenge_are_case_insensitive(
    served: tuple[InvitationsUpstream, Gateway], status: int
) -> None:
    upstream, gateway = served
    upstream.expect(always(answer(status, b"", b'WWW-Authenticate: BEARER ERROR=INSUFFICIENT_CLAIMS, CLAIMS="e30="')))
    assert gateway.error(GET.query)["extensions"]["claims"] == "e30="
