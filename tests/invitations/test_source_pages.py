"""Microsoft's pages as data: a GraphQL request, the exact REST requests, and the GraphQL response."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer, replying
from support.scripted_upstream import answer

pytestmark = pytest.mark.quick

ALL_FIELDS = """{
  id created createdAt lastModified lastModifiedAt inviter invitee trackingId
  message { invitationTemplateID invitationMessage { body } }
}"""

ENTITY = {"@odata.type": "#microsoft.graph.InvitationV2"}
MESSAGE = {"@odata.type": "microsoft.graph.InvitationV2Message"}
TEXT = {"@odata.type": "microsoft.graph.InvitationMessage"}

PAGE_INPUT = {
    "created": "1484671788434",
    "lastModified": "1484671788435",
    "inviter": "urn:li:person:abc",
    "invitee": "urn:li:email:x@example.com",
    "message": {},
    "trackingId": "dGVzdA==",
}
PAGE_BODY = {
    **ENTITY,
    "created": 1484671788434,
    "lastModified": 1484671788435,
    "inviter": "urn:li:person:abc",
    "invitee": "urn:li:email:x@example.com",
    "message": MESSAGE,
    "trackingId": "dGVzdA==",
}
CREATED = {**PAGE_BODY, "id": "c6443338-3338-c644-3833-44c6383344c6"}
UPDATED = {**PAGE_BODY, "id": "4643f650-f650-4643-50f6-434650f64346"}
FULL_MESSAGE = {**MESSAGE, "invitationTemplateID": "t-1", "invitationMessage": {**TEXT, "body": "Grüße 🙂\n"}}


def out(rest: dict[str, Any], **changed: object) -> dict[str, Any]:
    """Return the gateway's response for the object on the page."""
    return {
        "id": rest["id"],
        "created": "1484671788434",
        "createdAt": "2017-01-17T16:49:48.434Z",
        "lastModified": "1484671788435",
        "lastModifiedAt": "2017-01-17T16:49:48.435Z",
        "inviter": "urn:li:person:abc",
        "invitee": "urn:li:email:x@example.com",
        "trackingId": "dGVzdA==",
        "message": {"invitationTemplateID": None, "invitationMessage": None},
        **changed,
    }


@dataclass(frozen=True)
class Case:
    query: str
    requests: list[tuple[str, str, object]]
    """The method, target and JSON body of each."""
    replies: list[Reply]
    data: object
    variables: object = None


CREATE = f"mutation ($input: CreateInvitationInput!) {{ createInvitation(input: $input) {ALL_FIELDS} }}"
UPDATE = f"mutation ($input: UpdateInvitationInput!) {{ updateInvitation(input: $input) {ALL_FIELDS} }}"
GET = f'{{ invitation(id: "{CREATED["id"]}") {ALL_FIELDS} }}'
ITEM = f"/v1.0/linkedIn/invitations/{CREATED['id']}"
COLLECTION = "/v1.0/linkedIn/invitations"

CASES = {
    "Create: the example request and its response": Case(
        CREATE,
        [("POST", COLLECTION, PAGE_BODY)],
        [json_answer(201, CREATED)],
        {"createInvitation": out(CREATED)},
        {"input": PAGE_INPUT},
    ),
    "Create: all that the table lists, with an id": Case(
        CREATE,
        [("POST", COLLECTION, {**PAGE_BODY, "id": "my-id", "message": FULL_MESSAGE})],
        [json_answer(201, {**CREATED, "id": "my-id", "message": FULL_MESSAGE, "@odata.etag": 'W/"1"', "more": [{}]})],
        {
            "createInvitation": out(
                CREATED,
                id="my-id",
                message={"invitationTemplateID": "t-1", "invitationMessage": {"body": "Grüße 🙂\n"}},
            )
        },
        {
            "input": {
                **PAGE_INPUT,
                "id": "my-id",
                "message": {"invitationTemplateID": "t-1", "invitationMessage": {"body": "Grüße 🙂\n"}},
            }
        },
    ),
    "Create: as literals in the document": Case(
        """mutation { createInvitation(input: {
            created: 1484671788434, lastModified: "1484671788435", inviter: "urn:li:person:abc",
            invitee: "urn:li:email:x@example.com", message: {}, trackingId: "dGVzdA=="
        }) { id } }""",
        [("POST", COLLECTION, PAGE_BODY)],
        [json_answer(201, CREATED)],
        {"createInvitation": {"id": CREATED["id"]}},
    ),
    "Create: an answer that holds nothing but the id": Case(
        CREATE,
        [("POST", COLLECTION, PAGE_BODY)],
        [json_answer(201, {"id": "only"})],
        {"createInvitation": dict.fromkeys(out(CREATED)) | {"id": "only"}},
        {"input": PAGE_INPUT},
    ),
    "Create: another success with a good object": Case(
        CREATE,
        [("POST", COLLECTION, PAGE_BODY)],
        [json_answer(202, CREATED)],
        {"createInvitation": out(CREATED)},
        {"input": PAGE_INPUT},
    ),
    "Update: the example request and its response": Case(
        UPDATE,
        [("PATCH", COLLECTION, {**PAGE_BODY, "id": UPDATED["id"]})],
        [json_answer(200, UPDATED)],
        {"updateInvitation": out(UPDATED)},
        {"input": {**PAGE_INPUT, "id": UPDATED["id"]}},
    ),
    "Update: 204, and the object is read again": Case(
        UPDATE,
        [
            ("PATCH", COLLECTION, {**ENTITY, "id": CREATED["id"], "inviter": "me"}),
            ("GET", ITEM, None),
        ],
        [answer(204, b""), json_answer(200, CREATED)],
        {"updateInvitation": out(CREATED)},
        {"input": {"id": CREATED["id"], "inviter": "me"}},
    ),
    "Update: another success with a good object": Case(
        UPDATE,
        [("PATCH", COLLECTION, {**ENTITY, "id": UPDATED["id"], "inviter": "me"})],
        [json_answer(202, UPDATED)],
        {"updateInvitation": out(UPDATED)},
        {"input": {"id": UPDATED["id"], "inviter": "me"}},
    ),
    "Get: a bare object": Case(GET, [("GET", ITEM, None)], [json_answer(200, CREATED)], {"invitation": out(CREATED)}),
    "Get: wrapped as in the page's example": Case(
        GET, [("GET", ITEM, None)], [json_answer(200, {"value": CREATED})], {"invitation": out(CREATED)}
    ),
    "Get: Int64s as strings": Case(
        GET,
        [("GET", ITEM, None)],
        [json_answer(200, {**CREATED, "created": "1484671788434", "lastModified": "1484671788435"})],
        {"invitation": out(CREATED)},
    ),
    "Get: wrapped, and Int64s as strings": Case(
        GET,
        [("GET", ITEM, None)],
        [json_answer(200, {"value": {**CREATED, "created": "1484671788434", "lastModified": "1484671788435"}})],
        {"invitation": out(CREATED)},
    ),
    "Get: there is none": Case(
        GET,
        [("GET", ITEM, None)],
        [json_answer(404, {"error": {"code": "itemNotFound", "message": "no"}})],
        {"invitation": None},
    ),
    "Get: it is gone": Case(GET, [("GET", ITEM, None)], [answer(410, b"")], {"invitation": None}),
    "List: the collection's envelope": Case(
        f"{{ invitations {{ nodes {ALL_FIELDS} edges {{ node {{ id }} }} "
        "pageInfo { hasNextPage hasPreviousPage } } }",
        [("GET", f"{COLLECTION}?$top=20", None)],
        [json_answer(200, {"@odata.context": "x", "value": [CREATED, {**UPDATED, "created": "1484671788434"}]})],
        {
            "invitations": {
                "nodes": [out(CREATED), out(UPDATED)],
                "edges": [{"node": {"id": CREATED["id"]}}, {"node": {"id": UPDATED["id"]}}],
                "pageInfo": {"hasNextPage": False, "hasPreviousPage": False},
            }
        },
    ),
    "List: nothing": Case(
        "{ invitations(first: 3) { nodes { id } edges { cursor } pageInfo { hasNextPage startCursor endCursor } } }",
        [("GET", f"{COLLECTION}?$top=3", None)],
        [json_answer(200, {"value": []})],
        {
            "invitations": {
                "nodes": [],
                "edges": [],
                "pageInfo": {"hasNextPage": False, "startCursor": None, "endCursor": None},
            }
        },
    ),
}


def assert_is_a_call_of_the_api(request: Request, authorization: str, host: str) -> None:
    """Assert that the request has exactly the documented headers."""
    assert request.headers["authorization"] == authorization
    assert request.headers["host"] == host
    UUID(request.headers["client-request-id"])
    expected = {"authorization", "host", "client-request-id", "accept", "accept-encoding", "user-agent"}
    if request.method != "GET":
        assert request.headers["content-type"] == "application/json"
        expected |= {"content-type", "content-length"}
    assert set(request.headers) == expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_graphql_becomes_the_documented_rest_requests_and_their_responses_become_graphql(
    gateway: Gateway, upstream: InvitationsUpstream, case: Case
) -> None:
    upstream.expect(replying(*case.replies))

    data = gateway.data(case.query, case.variables)

    calls = upstream.calls
    assert [(call.method, call.target, call.json if call.body else None) for call in calls] == case.requests
    for call in calls:
        assert_is_a_call_of_the_api(call, gateway.authorization, f"127.0.0.1:{upstream.port}")
    assert len({call.headers["client-request-id"] for call in calls}) == len(calls)
    assert data == case.data


def test_with_an_id_in_the_update_path_the_body_has_no_id() -> None:
    with (
        InvitationsUpstream(
            replying(
                json_answer(200, {**UPDATED, "id": "urn:li:invitation:1/2"}),
                answer(204, b""),
                json_answer(200, {**UPDATED, "id": "a b"}),
            )
        ) as upstream,
        running_gateway(upstream.url, update_path="/linkedIn/invitations/{id}") as gateway,
    ):
        changed = gateway.data(UPDATE, {"input": {"id": "urn:li:invitation:1/2", "inviter": "me"}})
        read_again = gateway.data(UPDATE, {"input": {"id": "a b", "message": None}})

        assert [(call.method, call.target, call.json if call.body else None) for call in upstream.calls] == [
            ("PATCH", f"{COLLECTION}/urn%3Ali%3Ainvitation%3A1%2F2", {**ENTITY, "inviter": "me"}),
            ("PATCH", f"{COLLECTION}/a%20b", {**ENTITY, "message": None}),
            ("GET", f"{COLLECTION}/a%20b", None),
        ]
    assert changed == {"updateInvitation": out(UPDATED, id="urn:li:invitation:1/2")}
    assert read_again == {"updateInvitation": out(UPDATED, id="a b")}


def test_a_base_url_may_have_no_path_or_a_trailing_slash() -> None:
    with InvitationsUpstream() as upstream:
        for path, target in [
            ("", "/linkedIn/invitations"),
            ("/", "/linkedIn/invitations"),
            ("/a/b/", "/a/b/linkedIn/invitations"),
        ]:
            upstream.expect(replying(json_answer(201, CREATED)))
            with running_gateway(upstream.url, upstream_url=upstream.url + path) as gateway:
                gateway.data(CREATE, {"input": PAGE_INPUT})
            assert [call.target for call in upstream.calls] == [target]
