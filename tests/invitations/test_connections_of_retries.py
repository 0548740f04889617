"""Which connection a retry uses."""

from collections.abc import Iterator

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, json_answer, replying
from support.operations import GET
from support.scripted_upstream import answer

GOOD = json_answer(200, {"id": "1"})


def failing(status: int) -> bytes:
    return answer(status, b"", b"Retry-After: 0")


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[InvitationsUpstream, Gateway]]:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        yield upstream, gateway


@pytest.mark.parametrize("status", [429, 502, 504, 509])
def test_a_retry_reuses_the_connection(served: tuple[InvitationsUpstream, Gateway], status: int) -> None:
    upstream, gateway = served
    upstream.expect(replying(GOOD))
    gateway.data(GET.query)
    accepted = upstream.accepted
    upstream.expect(replying(failing(status), failing(status), GOOD))
    gateway.data(GET.query)
    assert len(upstream.calls) == 3
    assert upstream.accepted == accepted


def test_after_a_503_only_the_next_try_opens_a_new_connection(served: tuple[InvitationsUpstream, Gateway]) -> None:
    upstream, gateway = served
    upstream.expect(replying(GOOD))
    gateway.data(GET.query)
    accepted = upstream.accepted
    upstream.expect(replying(failing(503), failing(502), GOOD))
    gateway.data(GET.query)
    assert len(upstream.calls) == 3
    assert upstream.accepted == accepted + 1
