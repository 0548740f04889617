"""Clients that disconnect: their reads are cancelled after a while, their mutations run to the end.

A client that only shuts down its side of the connection is answered.
"""

import json
import threading
import time

import pytest
from support.gateway import GatewayProcess, gateway_process
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer
from support.raw_http import RawConnection, request
from support.scripted_upstream import UpstreamConnection, answer
from support.waiting import LIMIT, wait_until

from gateway.http.endpoint import GRACE

TOKEN = b"Authorization: Bearer of-the-test"
INVITATION = {"id": "1", "inviter": "urn:li:person:a"}

READS = {
    "one": ('query One { invitation(id: "1") { id } }', 1),
    "a page": ("query Page { invitations(first: 5) { nodes { id } } }", 1),
    "the same twice": ('query Twice { a: invitation(id: "1") { id } b: invitation(id: "1") { inviter } }', 1),
    "several side by side": (
        'query Several { a: invitation(id: "1") { id } b: invitation(id: "2") { id } c: invitations { nodes { id } } }',
        3,
    ),
}
TWO_MUTATIONS = """mutation Two {
  first: updateInvitation(input: {id: "1", inviter: "urn:li:person:a"}) { id }
  second: updateInvitation(input: {id: "2", inviter: "urn:li:person:b"}) { id }
}"""


class Hanging:
    """A reply that never comes. Counts the connections that the gateway closed."""

    def __init__(self) -> None:
        self.given_up = 0
        self._lock = threading.Lock()

    def __call__(self, connection: UpstreamConnection) -> None:
        connection.wait_until_client_closes()
        with self._lock:
            self.given_up += 1


def answered(asked: Request) -> bytes:
    if asked.method != "GET":
        return json_answer(200, {"id": asked.json["id"], "inviter": "urn:li:person:a"})
    path = asked.target.partition("?")[0]
    invitation = {**INVITATION, "id": path.rpartition("/")[2]}
    return json_answer(200, {"value": [INVITATION]} if path.endswith("s") else invitation)


def post(document: str, request_id: str) -> bytes:
    return request(json.dumps({"query": document}).encode(), TOKEN, b"X-Request-Id: " + request_id.encode())


@pytest.mark.parametrize("runs_before", [0, 3], ids=["a new document", "a document often run"])
@pytest.mark.parametrize(("document", "calls"), READS.values(), ids=READS)
def test_the_reads_of_a_client_that_disconnects_are_cancelled(
    document: str, calls: int, runs_before: int, upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    document += f" # {runs_before}"
    upstream.expect(answered)
    with RawConnection(scripted.port) as connection:
        for _ in range(runs_before):
            assert "errors" not in connection.ask(post(document, "before")).json()
    hanging = Hanging()
    upstream.expect(always(hanging))
    request_id = f"left-{calls}-{runs_before}-{len(document)}"
    with RawConnection(scripted.port) as connection:
        connection.send(post(document, request_id))
        wait_until(lambda: len(upstream.calls) == calls, "every read has reached the upstream")
    wait_until(lambda: hanging.given_up == calls, "the gateway has cancelled its reads")
    (line,) = scripted.log_of(request_id)
    assert " status=499 " in line
    assert " kind=query " in line
    assert len(upstream.calls) == calls


def test_a_read_by_get_is_also_cancelled(upstream: InvitationsUpstream, scripted: GatewayProcess) -> None:
    hanging = Hanging()
    upstream.expect(always(hanging))
    with RawConnection(scripted.port) as connection:
        connection.send(request(None, TOKEN, method=b"GET", target=b"/graphql?query={invitations{nodes{id}}}"))
        wait_until(lambda: upstream.calls, "the upstream was asked")
    wait_until(lambda: hanging.given_up == 1, "the gateway has cancelled its reads")


def test_a_read_that_waits_for_a_retry_is_cancelled(upstream: InvitationsUpstream, scripted: GatewayProcess) -> None:
    upstream.expect(always(answer(503, b"", b"Retry-After: 200")))
    with RawConnection(scripted.port) as connection:
        connection.send(post(READS["one"][0], "left-between-tries"))
        wait_until(lambda: upstream.calls, "the upstream was asked")
    line = scripted.log_of("left-between-tries")[-1]
    assert " status=499 " in line
    assert len(upstream.calls) == 1


def test_a_read_whose_client_has_sent_bytes_of_its_next_request_runs_to_its_deadline(
    upstream: InvitationsUpstream,
) -> None:
    """The gateway does not read them, so it does not see the end of the connection behind them either."""
    upstream.expect(always(UpstreamConnection.wait_until_client_closes))
    with gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT=2 * GRACE) as gateway:
        with RawConnection(gateway.port) as connection:
            connection.send(post(READS["one"][0], "ahead") + b"P")
            wait_until(lambda: upstream.calls, "the query is sent")
        assert any("status=200" in line for line in gateway.log_of("ahead"))


def test_a_client_that_disconnects_does_not_affect_others(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    hanging = Hanging()
    upstream.expect(lambda asked: hanging if asked.target.endswith("/1") else answered(asked))
    with RawConnection(scripted.port) as leaving, RawConnection(scripted.port) as staying:
        leaving.send(post('{ invitation(id: "1") { id } }', "leaving"))
        wait_until(lambda: upstream.calls, "the upstream was asked")
        leaving.close()
        assert staying.ask(post('{ invitation(id: "2") { id } }', "staying")).json() == {
            "data": {"invitation": {"id": "2"}}
        }
    wait_until(lambda: hanging.given_up == 1, "the gateway has cancelled its reads")


def test_a_mutation_that_was_sent_runs_to_its_end_and_so_do_those_after_it(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    gone = threading.Event()

    def reply(call: Request) -> bytes:
        assert gone.wait(LIMIT)
        time.sleep(0.5)  # time for the gateway to notice, if it were watching
        return json_answer(200, {**INVITATION, "id": call.json["id"]})

    upstream.expect(reply)
    before = upstream.accepted
    with RawConnection(scripted.port) as connection:
        connection.send(post(TWO_MUTATIONS, "left-a-mutation"))
        wait_until(lambda: upstream.calls, "the upstream was asked")
    gone.set()
    (line,) = scripted.log_of("left-a-mutation")
    assert [(call.method, call.json["id"]) for call in upstream.calls] == [("PATCH", "1"), ("PATCH", "2")]
    assert upstream.accepted - before <= 1, "the first response was not read: its connection was not reused"
    assert " kind=mutation operation=Two " in line
    assert "codes=" not in line


def test_a_client_that_disconnects_costs_no_upstream_connection_if_its_response_comes_soon(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    document = READS["one"][0]
    upstream.expect(answered)
    with RawConnection(scripted.port) as connection:
        assert "errors" not in connection.ask(post(document, "first")).json()
    before = upstream.accepted
    gone = threading.Event()

    def reply(asked: Request) -> bytes:
        assert gone.wait(LIMIT)
        time.sleep(0.2)  # time for the gateway to notice
        return answered(asked)

    for number in range(3):
        gone.clear()
        upstream.expect(reply)
        with RawConnection(scripted.port) as connection:
            connection.send(post(document, f"impatient-{number}"))
            wait_until(lambda: upstream.calls, "the upstream was asked")
        gone.set()
        scripted.log_of(f"impatient-{number}")
    assert upstream.accepted == before


@pytest.mark.parametrize(
    "document", ["mutation { updateInvitation(input: {id: 1, inviter: null}) { id } }", READS["one"][0]]
)
def test_a_client_that_shuts_down_its_side_is_answered(
    document: str, upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    ended = threading.Event()

    def reply(asked: Request) -> bytes:
        assert ended.wait(LIMIT)
        time.sleep(0.2)  # time for the gateway to notice
        return answered(asked)

    upstream.expect(reply)
    with RawConnection(scripted.port) as connection:
        connection.send(post(document, "half-open"))
        wait_until(lambda: upstream.calls, "the upstream was asked")
        connection.end()
        ended.set()
        answer = connection.receive()
        assert "errors" not in answer.json()
        assert answer.header("connection") == "close"
        assert connection.is_closed()


def test_a_mutation_is_answered_long_after_its_client_has_shut_down_its_side(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    def reply(asked: Request) -> bytes:
        time.sleep(GRACE + 0.5)
        return answered(asked)

    upstream.expect(reply)
    with RawConnection(scripted.port) as connection:
        connection.send(post(TWO_MUTATIONS, "patient"))
        connection.end()
        assert connection.receive().json() == {"data": {"first": {"id": "1"}, "second": {"id": "2"}}}
    assert len(upstream.calls) == 2


def test_a_client_that_shuts_down_its_side_right_after_its_requests_gets_all_responses(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    upstream.expect(answered)
    with RawConnection(scripted.port) as connection:
        connection.send(b"".join(post(READS["one"][0], f"behind-{number}") for number in range(5)))
        connection.end()
        assert [connection.receive().status for _ in range(5)] == [200] * 5
        assert connection.is_closed()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_hanging_read_is_cancelled_after_its_client_has_shut_down_its_side(
    method: str, upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    hanging = Hanging()
    upstream.expect(always(hanging))
    request_id = f"half-open-{method}"
    get = request(
        None, TOKEN, b"X-Request-Id: half-open-GET", method=b"GET", target=b"/graphql?query={invitations{nodes{id}}}"
    )
    with RawConnection(scripted.port) as connection:
        connection.send(get if method == "GET" else post(READS["one"][0], request_id))
        connection.end()
        assert connection.is_closed()
    wait_until(lambda: hanging.given_up == 1, "the gateway has cancelled its reads")
    (line,) = scripted.log_of(request_id)
    assert " status=499 " in line


def test_clients_that_disconnect_are_not_logged_as_errors(scripted: GatewayProcess) -> None:
    assert " ERROR " not in scripted.log()
    assert "Traceback" not in scripted.log()


def test_a_client_that_disconnects_in_the_middle_of_its_body_is_not_an_error(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        connection.send(
            request(None, b"Content-Type: application/json", b"Content-Length: 1000", b"X-Request-Id: left-early")
            + b'{"query":"{ __typename }"}'
        )
    (line,) = gateway.log_of("left-early")
    assert " INFO gateway.access " in line
    assert " status=499 " in line
