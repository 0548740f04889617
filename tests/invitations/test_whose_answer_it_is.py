"""Ids of other requests, in any form that a response can have."""

import gzip
from collections.abc import Iterator

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, replying
from support.operations import CREATE
from support.scripted_upstream import answer

FOREIGN = "1b671a64-40d5-491e-99b0-da01ff1f3341"
GOOD = answer(201, b'{"id": "1"}')


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[InvitationsUpstream, Gateway]]:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        yield upstream, gateway


@pytest.mark.parametrize("status", [201, 400, 429])
@pytest.mark.parametrize(
    "headers",
    [
        [f"client-request-id: {FOREIGN}, x"],
        [f"client-request-id: x,{FOREIGN}"],
        [f"client-request-id: {FOREIGN}", "client-request-id: x"],
        [f"CLIENT-REQUEST-ID: {FOREIGN.upper()}"],
        [f"Client-Request-Id: {{{FOREIGN}}}"],
        [f"client-request-id: {FOREIGN}", "Content-Encoding: gzip"],
    ],
    ids=["before another word", "behind another word", "in two headers", "in capitals", "in braces", "encoded"],
)
def test_a_response_that_names_another_request_in_any_form_decides_nothing(
    served: tuple[InvitationsUpstream, Gateway], status: int, headers: list[str]
) -> None:
    upstream, gateway = served
    body = gzip.compress(b'{"id": "other"}') if headers[-1].endswith("gzip") else b'{"id": "other"}'
    stale = answer(status, body, b"Retry-After: 0", *[header.encode() for header in headers])
    upstream.expect(replying(stale, GOOD))
    extensions = gateway.error(CREATE.query)["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("UPSTREAM_INVALID_RESPONSE", "UNKNOWN")
    assert len(upstream.calls) == 1


def test_a_response_that_names_its_own_request_among_others_counts(
    served: tuple[InvitationsUpstream, Gateway],
) -> None:
    def reply(call: Request) -> bytes:
        own = call.headers["client-request-id"]
        return answer(409, b"", f"client-request-id: {FOREIGN}, {{{own.upper()}}}".encode())

    upstream, gateway = served
    upstream.expect(reply)
    extensions = gateway.error(CREATE.query)["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("CONFLICT", "NOT_APPLIED")


@pytest.mark.parametrize("echo", ["x", "", FOREIGN[:-1]])
def test_a_body_without_a_uuid_is_no_evidence(served: tuple[InvitationsUpstream, Gateway], echo: str) -> None:
    upstream, gateway = served
    body = f'{{"error": {{"code": "a", "innerError": {{"client-request-id": "{echo}"}}}}}}'
    upstream.expect(replying(answer(409, body.encode())))
    assert gateway.error(CREATE.query)["extensions"]["code"] == "CONFLICT"
