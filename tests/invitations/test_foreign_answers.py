"""A server that mixes up responses: no caller gets another's data."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from support.gateway import TOKEN, Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer, parse, replying
from support.operations import CREATE, GET, MUTATIONS, OPERATIONS, QUERIES, UPDATE, Operation
from support.scripted_upstream import Script, ScriptedUpstream, UpstreamConnection, answer
from support.waiting import LIMIT

from gateway.invitations import Caller, InvitationsError
from gateway.invitations.rest import Call, RestClient

Answer = Callable[[Request], bytes]
RATE_LIMIT = b"Retry-After: 0"
CREATE_OWN = """mutation ($name: String!) { createInvitation(
  input: {inviter: $name, invitee: "b", message: {}, trackingId: $name}) { id inviter } }"""
READ = "query ($id: ID!) { invitation(id: $id) { id } }"
UPDATE_OWN = 'mutation ($id: ID!) { updateInvitation(input: {id: $id, inviter: "a"}) { id } }'


def echo(call: Request) -> bytes:
    return b"client-request-id: " + call.headers["client-request-id"].encode()


def created(call: Request) -> bytes:
    return json_answer(201, {"id": "new", "inviter": call.json["inviter"], "trackingId": call.json["trackingId"]})


def created_with_echo(call: Request) -> bytes:
    return json_answer(201, {"id": "new", "inviter": call.json["inviter"]}, echo(call))


def read(call: Request) -> bytes:
    return json_answer(200, {"id": call.target.rpartition("/")[2]})


def updated(call: Request) -> bytes:
    return json_answer(200, {"id": call.json["id"]})


def off_by_one(answer_to: Answer, first: bytes, *, connections: int = 1000) -> Script:
    """Answer each request of a connection with its predecessor's response; later connections behave correctly."""

    def script(connection: UpstreamConnection) -> None:
        late = first
        while (raw := connection.read_request()) is not None:
            own = answer_to(parse(raw))
            connection.send(late if connection.number < connections else own)
            late = own

    return script


STALE_CREATE = json_answer(201, {"id": "0", "inviter": "somebody", "trackingId": "somebody"})
STALE_ECHO = json_answer(201, {"id": "0", "inviter": "somebody"}, b"Client-Request-Id: " + str(uuid4()).encode())


@pytest.mark.parametrize(
    ("answer_to", "stale"), [(created, STALE_CREATE), (created_with_echo, STALE_ECHO)], ids=["tracking id", "echo"]
)
def test_no_caller_gets_the_invitation_that_another_created(answer_to: Answer, stale: bytes) -> None:
    with ScriptedUpstream(off_by_one(answer_to, stale)) as upstream, running_gateway(upstream.url) as gateway:
        for name in ("a", "b", "c"):
            extensions = gateway.error(CREATE_OWN, {"name": name})["extensions"]
            sent = parse(upstream.requests[-1])
            assert extensions == {
                "code": "UPSTREAM_INVALID_RESPONSE",
                "outcome": "UNKNOWN",
                "clientRequestId": sent.headers["client-request-id"],
                "trackingId": name,
            }
        assert [parse(raw).json["inviter"] for raw in upstream.requests] == ["a", "b", "c"]


def test_after_a_foreign_response_the_next_request_uses_a_new_connection_and_gets_its_own() -> None:
    script = off_by_one(created, STALE_CREATE, connections=1)
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        gateway.error(CREATE_OWN, {"name": "a"})
        for name in ("b", "c"):
            assert gateway.data(CREATE_OWN, {"name": name}) == {"createInvitation": {"id": "new", "inviter": name}}
        assert upstream.accepted == 2
        assert [parse(raw).json["inviter"] for raw in upstream.requests] == ["a", "b", "c"]


def test_no_caller_gets_the_invitation_that_another_updated() -> None:
    script = off_by_one(updated, json_answer(200, {"id": "0"}))
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        for id in ("a", "b", "c"):
            extensions = gateway.error(UPDATE_OWN, {"id": id})["extensions"]
            assert (extensions["code"], extensions["outcome"]) == ("UPSTREAM_INVALID_RESPONSE", "UNKNOWN")
            assert "status" not in extensions
        assert [parse(raw).json["id"] for raw in upstream.requests] == ["a", "b", "c"]


def test_a_read_that_got_a_foreign_response_is_retried_on_a_new_connection() -> None:
    script = off_by_one(read, json_answer(200, {"id": "0"}), connections=1)
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        for id in ("a", "b", "c"):
            assert gateway.data(READ, {"id": id}) == {"invitation": {"id": id}}
        assert upstream.accepted >= 2


def test_no_caller_gets_the_invitation_that_another_read() -> None:
    script = off_by_one(read, json_answer(200, {"id": "0"}))
    with ScriptedUpstream(script) as upstream, running_gateway(upstream.url) as gateway:
        for id in ("a", "b", "c"):
            assert gateway.error(READ, {"id": id})["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
        assert len(upstream.requests) == 9


STALE = b"client-request-id: 0b5a1c5e-0000-4000-8000-000000000000"


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 404, 409, 410, 429, 500, 503])
@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_foreign_response_decides_neither_the_outcome_of_a_mutation_nor_a_retry(
    gateway: Gateway, upstream: InvitationsUpstream, status: int, operation: Operation
) -> None:
    body = b"" if status == 204 else b'{"id": "1"}'
    upstream.expect(always(answer(status, body, STALE, RATE_LIMIT, b"request-id: of-another")))
    error = gateway.error(operation.query)
    (call,) = upstream.calls
    assert error["extensions"].pop("trackingId", None) == call.json.get("trackingId")
    assert error["extensions"] == {
        "code": "UPSTREAM_INVALID_RESPONSE",
        "outcome": "UNKNOWN",
        "clientRequestId": call.headers["client-request-id"],
    }


@pytest.mark.parametrize("status", [200, 404, 403, 429, 503])
@pytest.mark.parametrize("operation", QUERIES.values(), ids=QUERIES.keys())
def test_a_foreign_response_does_not_answer_a_query(
    gateway: Gateway, upstream: InvitationsUpstream, status: int, operation: Operation
) -> None:
    stale = answer(status, b'{"id": "1", "value": []}', STALE, b"Retry-After: 1000")
    upstream.expect(replying(stale, stale, json_answer(200, {"id": "1", "value": [{"id": "mine"}]})))
    assert None not in gateway.data(operation.query).values()
    assert len(upstream.calls) == 3

    upstream.expect(always(stale))
    assert gateway.error(operation.query)["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
    assert len(upstream.calls) == 3


def test_an_update_whose_re_read_gets_a_foreign_response_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(lambda call: answer(204, b"") if call.method == "PATCH" else json_answer(200, {"id": "2"}))
    extensions = gateway.error(UPDATE.query)["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("UPSTREAM_INVALID_RESPONSE", "APPLIED")
    assert [call.method for call in upstream.calls] == ["PATCH", "GET", "GET", "GET"]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "in braces": lambda id: f"{{{id}}}",
    "without hyphens": lambda id: UUID(id).hex,
    "with spaces": lambda id: f"  {id} ",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("name", ["client-request-id", "Client-Request-Id"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_response_that_repeats_the_client_request_id_is_accepted(
    gateway: Gateway, upstream: InvitationsUpstream, spell: Callable[[str], str], name: str, operation: Operation
) -> None:
    def handler(call: Request) -> bytes:
        header = f"{name}: {spell(call.headers['client-request-id'])}".encode()
        return json_answer(200, {"id": "1", "trackingId": "one of the service", "value": []}, STALE, header)

    upstream.expect(handler)
    gateway.data(operation.query)
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("value", [b"", b"none", b"0", b"of-a-proxy", b"1234, 5678"])
def test_a_client_request_id_that_is_not_a_uuid_is_ignored(
    gateway: Gateway, upstream: InvitationsUpstream, value: bytes
) -> None:
    upstream.expect(always(json_answer(200, {"id": "1"}, b"client-request-id: " + value)))
    for operation in (CREATE, UPDATE, GET):
        gateway.data(operation.query)


@pytest.mark.parametrize("operation", [UPDATE, GET], ids=["update", "get"])
def test_another_id_in_a_response_that_is_certainly_ours_is_an_invalid_response_and_was_applied(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation
) -> None:
    upstream.expect(lambda call: json_answer(200, {"id": "2"}, echo(call)))
    extensions = gateway.error(operation.query)["extensions"]
    assert (extensions["code"], extensions["status"]) == ("UPSTREAM_INVALID_RESPONSE", 200)
    assert extensions.get("outcome") == ("APPLIED" if operation.is_mutation else None)
    assert len(upstream.calls) == 1


def test_ids_may_differ_in_case(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    id = "C6443338-3338-C644-3833-44C6383344C6"
    upstream.expect(always(json_answer(200, {"id": id.lower(), "inviter": "A", "trackingId": "A"})))
    assert gateway.data(READ, {"id": id}) == {"invitation": {"id": id.lower()}}
    assert gateway.data(UPDATE_OWN, {"id": id}) == {"updateInvitation": {"id": id.lower()}}
    assert gateway.data(CREATE_OWN, {"name": "a"})["createInvitation"]["inviter"] == "A"


class Discarding(httpx.AsyncBaseTransport):
    """Return responses from a list, and count the discarded connections."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.discarded = 0
        self.requests: list[httpx.Request] = []
        self._answers = iter(answers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        found = next(self._answers)
        found.extensions["discard"] = self._discard
        return found

    def _discard(self) -> None:
        self.discarded += 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_connection_of_a_foreign_response_is_closed_and_not_reused(method: str) -> None:
    async def send() -> bytes:
        deadline = asyncio.get_running_loop().time() + LIMIT
        call = Call(method, "/x", Caller(TOKEN.encode()), deadline)
        return await RestClient(transport, url="http://127.0.0.1:1").send(call, lambda found: found.content)

    stale: dict[str, Any] = {"headers": {"client-request-id": str(uuid4())}}
    transport = Discarding(httpx.Response(429, **stale), httpx.Response(200, content=b"mine"))
    if method == "GET":
        assert asyncio.run(send()) == b"mine"
        assert [request.extensions.get("new_connection") for request in transport.requests] == [None, True]
    else:
        with pytest.raises(InvitationsError):
            asyncio.run(send())
        assert len(transport.requests) == 1
    assert transport.discarded == 1


FOREIGN = str(uuid4())


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ([f"client-request-id: {FOREIGN}, {FOREIGN}"], {}),
        ([f'client-request-id: "{FOREIGN}"'], {}),
        ([], {"code": "x", "innerError": {"request-id": FOREIGN, "client-request-id": FOREIGN}}),
    ],
    ids=["joined", "quoted", "in the body"],
)
def test_an_error_with_the_id_of_another_request_in_any_form_decides_nothing(
    status: int, headers: list[str], error: dict[str, object], gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    stale = json_answer(status, {"error": error}, RATE_LIMIT, *[header.encode() for header in headers])
    upstream.expect(replying(stale, json_answer(201, {"id": "new"})))
    extensions = gateway.error(CREATE_OWN, {"name": "a"})["extensions"]
    assert (extensions["code"], extensions["outcome"]) == ("UPSTREAM_INVALID_RESPONSE", "UNKNOWN")
    assert len(upstream.calls) == 1
