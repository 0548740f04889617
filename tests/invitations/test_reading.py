"""Reading one invitation: ids, and several fields in one request."""

import threading
from urllib.parse import unquote_to_bytes

import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer
from support.scripted_upstream import answer
from support.waiting import LIMIT

pytestmark = pytest.mark.quick

QUERY = "query ($id: ID!) { invitation(id: $id) { id } }"
UPDATE = 'mutation ($id: ID!) { updateInvitation(input: {id: $id, inviter: "a"}) { id } }'
COLLECTION = "/v1.0/linkedIn/invitations"

ODD_IDS = {
    "a/../b?x=1": "a%2F..%2Fb%3Fx%3D1",
    "../../me": "..%2F..%2Fme",
    "a/..": "a%2F..",
    "./a": ".%2Fa",
    "...": "...",
    "urn:li:invitation:123": "urn%3Ali%3Ainvitation%3A123",
    "a b+c%2Fd": "a%20b%2Bc%252Fd",
    "%2e%2e": "%252e%252e",
    "#fragment": "%23fragment",
    "\\..\\x": "%5C..%5Cx",
    "x;y=1,z": "x%3By%3D1%2Cz",
    "@evil.example": "%40evil.example",
    "//evil.example": "%2F%2Fevil.example",
    "$batch": "%24batch",
    "('1')": "%28%271%27%29",
    "line\r\nInjected: yes": "line%0D%0AInjected%3A%20yes",
    "\0": "%00",
    "é🙂": "%C3%A9%F0%9F%99%82",
    "~-._": "~-._",
}


@pytest.mark.parametrize(("odd", "segment"), ODD_IDS.items())
def test_any_id_stays_one_segment_of_the_path(
    gateway: Gateway, upstream: InvitationsUpstream, odd: str, segment: str
) -> None:
    upstream.expect(always(json_answer(200, {"id": odd})))

    assert gateway.data(QUERY, {"id": odd}) == {"invitation": {"id": odd}}

    (call,) = upstream.calls
    assert (call.method, call.target) == ("GET", f"{COLLECTION}/{segment}")
    assert unquote_to_bytes(segment).decode() == odd
    assert "injected" not in call.headers


@pytest.mark.parametrize("impossible", ["", ".", ".."])
def test_an_id_that_cannot_be_a_segment_is_not_found_without_a_request(
    gateway: Gateway, upstream: InvitationsUpstream, impossible: str
) -> None:
    assert gateway.data(QUERY, {"id": impossible}) == {"invitation": None}

    error = gateway.error(UPDATE, {"id": impossible})
    assert error["extensions"] == {"code": "NOT_FOUND", "outcome": "NOT_APPLIED"}

    assert upstream.calls == []


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_update_sends_any_id_in_its_body_never_in_its_path(
    gateway: Gateway, upstream: InvitationsUpstream, odd: str
) -> None:
    upstream.expect(always(json_answer(200, {"id": odd})))
    gateway.data(UPDATE, {"id": odd})
    (call,) = upstream.calls
    assert (call.method, call.target, call.json["id"]) == ("PATCH", COLLECTION, odd)


def test_an_id_may_be_an_integer_as_graphql_allows(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(json_answer(200, {"id": "123"})))
    gateway.data("{ invitation(id: 123) { id } }")
    assert [call.target for call in upstream.calls] == [f"{COLLECTION}/123"]


def test_the_invitations_of_one_request_are_read_concurrently(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    together = threading.Barrier(8)

    def handler(call: Request) -> Reply:
        together.wait(LIMIT)  # breaks, and so fails the field, unless all eight requests are in flight at once
        return json_answer(200, {"id": call.target.rpartition("/")[2]})

    upstream.expect(handler)
    data = gateway.data("{" + " ".join(f'a{n}: invitation(id: "{n}") {{ id }}' for n in range(8)) + "}")
    assert data == {f"a{n}": {"id": str(n)} for n in range(8)}


def test_all_fields_of_a_request_share_one_read_of_an_id(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    query = '{ a: invitation(id: "1") { id } b: invitation(id: "1") { inviter } c: invitation(id: "2") { id } }'
    upstream.expect(lambda call: json_answer(200, {"id": call.target[-1], "inviter": "x"}))

    for _ in range(2):  # read again by the next request: nothing is cached
        assert gateway.data(query) == {"a": {"id": "1"}, "b": {"inviter": "x"}, "c": {"id": "2"}}

    assert sorted(call.target[-1] for call in upstream.calls) == ["1", "1", "2", "2"]


def test_a_failed_shared_read_fails_each_of_its_fields(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda call: answer(403, b"") if call.target.endswith("/1") else json_answer(200, {"id": "2"}))

    content = gateway.run(
        '{ a: invitation(id: "1") { id } b: invitation(id: "1") { id } c: invitation(id: "2") { id } }'
    )

    assert content["data"] == {"a": None, "b": None, "c": {"id": "2"}}
    assert sorted(error["path"] for error in content["errors"]) == [["a"], ["b"]]
    assert {error["extensions"]["code"] for error in content["errors"]} == {"FORBIDDEN"}
    assert len(upstream.calls) == 2


def test_a_shared_read_that_finds_nothing_is_null_for_each_of_its_fields(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(always(answer(404, b"")))
    assert gateway.data('{ a: invitation(id: "1") { id } b: invitation(id: "1") { id } }') == {"a": None, "b": None}
    assert len(upstream.calls) == 1


def test_mutations_run_one_after_another_in_document_order(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    running: list[str] = []
    most = 0

    def handler(call: Request) -> Reply:
        nonlocal most
        running.append(call.method)
        most = max(most, len(running))
        content = json_answer(200, {"id": "x"})
        running.pop()
        return content

    upstream.expect(handler)
    fields = [
        f'a{n}: createInvitation(input: {{inviter: "{n}", invitee: "b", message: {{}}}}) {{ id }}'
        if n % 2
        else f'a{n}: updateInvitation(input: {{id: "x", inviter: "{n}"}}) {{ id }}'
        for n in range(12)
    ]

    data = gateway.data("mutation {" + " ".join(fields) + "}")

    assert most == 1
    assert [call.json["inviter"] for call in upstream.calls] == [str(n) for n in range(12)]
    assert [call.method for call in upstream.calls] == ["PATCH", "POST"] * 6
    assert list(data) == [f"a{n}" for n in range(12)]
