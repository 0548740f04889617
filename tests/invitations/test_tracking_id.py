"""The tracking id, by which a frontend can look for a create with an unknown outcome."""

import ssl
from uuid import UUID

import httpx
import pytest
from support.gateway import TOKEN, Gateway, gateway_process, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, always, replying
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.waiting import LIMIT

pytestmark = pytest.mark.quick

CREATE = """mutation ($id: String) {
  createInvitation(input: {inviter: "a", invitee: "b", message: {}, trackingId: $id}) { id } }"""


def lose(connection: UpstreamConnection) -> None:
    connection.close()


FAILURES: dict[str, Reply] = {
    "refused": answer(409, b""),
    "throttled": answer(429, b"", b"Retry-After: 1000"),
    "failed": answer(503, b""),
    "lost": lose,
    "done, with an answer of no use": answer(201, b"[]"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("own", [None, "dGVzdA==", ""])
def test_the_error_of_a_create_that_was_sent_has_its_tracking_id(
    gateway: Gateway, upstream: InvitationsUpstream, failure: Reply, own: str | None
) -> None:
    upstream.expect(replying(failure))
    told = gateway.error(CREATE, {"id": own})["extensions"]["trackingId"]
    (call,) = upstream.calls
    assert told == call.json["trackingId"]
    assert told == own if own is not None else UUID(told)


def test_the_error_of_a_create_that_was_never_sent_has_no_tracking_id(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    assert "trackingId" not in gateway.error(CREATE, {"id": "x"}, authorization=None)["extensions"]
    assert upstream.calls == []


def test_the_error_of_a_create_that_was_sent_before_a_failed_connection_has_its_tracking_id(
    tls: ssl.SSLContext,
) -> None:
    def script(connection: UpstreamConnection) -> None:
        if connection.number == 0:
            connection.start_tls(tls)
            connection.read_request()
            connection.send(answer(429, b"", b"Retry-After: 0", b"Connection: close"))

    with ScriptedUpstream(script) as upstream, running_gateway(f"https://127.0.0.1:{upstream.port}") as gateway:
        extensions = gateway.error(CREATE, {"id": "mine"})["extensions"]
        assert len(upstream.requests) == 1
    assert (extensions["outcome"], extensions["trackingId"]) == ("NOT_APPLIED", "mine")


def test_a_tracking_id_is_not_logged() -> None:
    with (
        InvitationsUpstream(always(answer(500, b""))) as upstream,
        gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", LOG_LEVEL="debug") as gateway,
    ):
        body = {"query": CREATE, "variables": {"id": "my-own-5ecret"}}
        response = httpx.post(f"{gateway.url}/graphql", json=body, headers={"Authorization": TOKEN}, timeout=LIMIT)
        gateway.log_of(response.headers["X-Request-Id"])
    assert response.json()["errors"][0]["extensions"]["trackingId"] == "my-own-5ecret"
    assert "5ecret" not in gateway.log()


def test_a_very_long_tracking_id_is_not_repeated(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(answer(409, b"")))
    assert "trackingId" not in gateway.error(CREATE, {"id": "x" * 100_000})["extensions"]
