"""Data after a request on its connection affects neither the request nor other clients."""

import json
import time

import pytest
from support.gateway import GatewayProcess
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.raw_http import RawConnection, chunked, request

pytestmark = pytest.mark.quick

TOKEN = b"Authorization: Bearer of-the-test"
IS_JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"
UPDATE = json.dumps({"query": 'mutation { updateInvitation(input: {id: "1", inviter: "a"}) { id } }'}).encode()
UPDATED = {"data": {"updateInvitation": {"id": "1"}}}


def alias(name: str) -> bytes:
    return json.dumps({"query": f"{{ {name}: __typename }}"}).encode()


@pytest.mark.parametrize("behind", [b"X", b"\x00", b"GET / HTTP/9.9\r\n\r\n", b"{}", b"X" * 100_000])
@pytest.mark.parametrize("in_chunks", [False, True], ids=["counted", "in chunks"])
def test_a_mutation_is_answered_whatever_follows_it(
    behind: bytes, in_chunks: bool, upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    def reply(_: Request) -> bytes:
        time.sleep(0.2)  # time for the gateway to see the data after it
        return json_answer(200, {"id": "1"})

    upstream.expect(reply)
    whole = request(UPDATE, TOKEN)
    if in_chunks:
        whole = request(None, TOKEN, IS_JSON, CHUNKED) + chunked(UPDATE)
    with RawConnection(scripted.port) as connection:
        connection.send(whole + behind)
        answer = connection.receive()
        assert (answer.status, answer.json()) == (200, UPDATED)
        assert connection.receive().status == 400
        assert connection.is_closed()
    assert len(upstream.calls) == 1


def test_a_request_after_a_mutation_that_closes_the_connection_does_not_run(
    upstream: InvitationsUpstream, scripted: GatewayProcess
) -> None:
    upstream.expect(lambda _: json_answer(200, {"id": "1"}))
    with RawConnection(scripted.port) as connection:
        connection.send(request(UPDATE, TOKEN, b"Connection: close") + request(UPDATE, TOKEN))
        assert connection.receive().json() == UPDATED
        assert connection.is_closed()
    assert len(upstream.calls) == 1


FIRST = {
    "counted": request(alias("a")),
    "in chunks": request(None, IS_JSON, CHUNKED) + chunked(alias("a")[:9], b"\r\n\r\n", alias("a")[9:]),
    "by GET": request(method=b"GET", target=b"/graphql?query={a:__typename}"),
    "between line ends": b"\r\n" + request(method=b"GET", target=b"/graphql?query={a:__typename}") + b"\r\n\r\n",
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_two_requests_are_recognized_wherever_the_network_splits_them(first: bytes, gateway: GatewayProcess) -> None:
    data = first + request(alias("b"))
    with RawConnection(gateway.port) as connection:
        for cut in range(1, len(data)):
            connection.send(data[:cut])
            connection.send(data[cut:])
            assert [connection.receive().json()["data"] for _ in "ab"] == [{"a": "Query"}, {"b": "Query"}]
        for byte in data:
            connection.send(bytes([byte]))
        assert [connection.receive().json()["data"] for _ in "ab"] == [{"a": "Query"}, {"b": "Query"}]


def test_line_breaks_around_a_body_belong_to_the_body(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        for lines in range(1, 12):
            body = b"\r\n" * lines + alias("a") + b"\r\n" * lines
            connection.send(request(body) + request(alias("b")))
            assert [connection.receive().json()["data"] for _ in "ab"] == [{"a": "Query"}, {"b": "Query"}]


def test_trailers_are_not_headers(gateway: GatewayProcess) -> None:
    trailers = b"0\r\nContent-Type: application/json\r\nX-Request-Id: of-a-trailer\r\n\r\n"
    body = chunked(alias("a")).removesuffix(b"0\r\n\r\n")
    with RawConnection(gateway.port) as connection:
        connection.send(request(None, CHUNKED) + body + trailers)
        answer = connection.receive()
        assert answer.status == 415
        assert answer.header("x-request-id") != "of-a-trailer"
        assert connection.ask(request(alias("b"))).status == 200


@pytest.mark.parametrize("chunk", [b"\r\n\r\n" * 1000, b"x"], ids=["line ends", "one byte each"])
def test_a_body_in_hostile_chunks_does_not_block_others(chunk: bytes, gateway: GatewayProcess) -> None:
    part = b"%x\r\n%b\r\n" % (len(chunk), chunk)
    data = request(None, IS_JSON, CHUNKED) + part * (400_000 // len(part))
    with RawConnection(gateway.port) as hostile, RawConnection(gateway.port) as other:
        hostile.send(data)
        assert other.ask(request(alias("a"))).json() == {"data": {"a": "Query"}}
        hostile.send(b"0\r\n\r\n")
        assert hostile.receive().status == 400
        assert hostile.ask(request(alias("b"))).json() == {"data": {"b": "Query"}}
