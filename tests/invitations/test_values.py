"""How values pass through: 64-bit integers, dates, and absent, null and given values."""

import json
import time
from typing import Any
from uuid import UUID

import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.scripted_upstream import answer

pytestmark = pytest.mark.quick

CREATE = "mutation ($input: CreateInvitationInput!) { createInvitation(input: $input) { id } }"
UPDATE = "mutation ($input: UpdateInvitationInput!) { updateInvitation(input: $input) { id } }"
VARIABLE = """mutation ($x: Int64) {
  createInvitation(input: {inviter: "a", invitee: "b", message: {}, created: $x}) { id } }"""
GET = '{ invitation(id: "1") { created createdAt lastModified lastModifiedAt } }'
GOOD = json_answer(200, {"id": "1"})
REQUIRED: dict[str, Any] = {"inviter": "a", "invitee": "b", "message": {}}
SENT: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.InvitationV2",
    "inviter": "a",
    "invitee": "b",
    "message": {"@odata.type": "microsoft.graph.InvitationV2Message"},
}

INT64S = [0, 1, -1, 2**31, -(2**31) - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 10**18]


def sent(upstream: InvitationsUpstream) -> dict[str, Any]:
    (call,) = upstream.calls
    body: dict[str, Any] = call.json
    upstream.requests.clear()
    return body


@pytest.mark.parametrize("number", INT64S)
def test_an_int64_in_any_spelling_is_sent_exactly_as_a_json_number(
    gateway: Gateway, upstream: InvitationsUpstream, number: int
) -> None:
    upstream.expect(always(GOOD))
    for literal in (str(number), f'"{number}"', f'"""{number}"""'):
        gateway.data(
            'mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}, '
            f"created: {literal}, lastModified: {literal}}}) {{ id }} }}"
        )
        assert upstream.requests[0].count(b":%d" % number) == 2
        body = sent(upstream)
        assert body["created"] == body["lastModified"] == number
    for value in (number, str(number)):
        gateway.data(VARIABLE, {"x": value})
        assert sent(upstream)["created"] == number
        gateway.data(CREATE, {"input": {**REQUIRED, "created": value, "lastModified": value}})
        body = sent(upstream)
        assert body["created"] == body["lastModified"] == number
        gateway.data(UPDATE, {"input": {"id": "1", "created": value}})
        assert sent(upstream)["created"] == number


REFUSED: list[Any] = [
    *[True, False, 1.0, 1.5, 0.1, -0.0, 1e3, 1e300],
    *[2**63, -(2**63) - 1, 2**64, 10**30, str(2**63), str(-(2**63) - 1), "9" * 400],
    *[
        "",
        " ",
        "1 ",
        " 1",
        "1\n",
        "\t1",
        "1 000",
        "+1",
        "--1",
        "-",
        "-0",
        "01",
        "-01",
        "00",
        "1.0",
        "1e3",
        "1E3",
        "0x1",
    ],
    *["1_000", "1,000", "NaN", "Infinity", "null", "true", "٣", "१२", "１", "²", "1\0", "−1"],  # noqa: RUF001  (refused)
    *[[], {}, ["1"], {"value": 1}],
]


@pytest.mark.parametrize("value", REFUSED, ids=[json.dumps(value)[:30] for value in REFUSED])
def test_an_invalid_int64_is_refused_as_a_variable_and_as_a_literal_without_a_request(
    gateway: Gateway, upstream: InvitationsUpstream, value: Any
) -> None:
    for query, variables in [
        (VARIABLE, {"x": value}),
        (CREATE, {"input": {**REQUIRED, "created": value}}),
        (UPDATE, {"input": {"id": "1", "lastModified": value}}),
    ]:
        # GraphQL accepts a single item for a list, but not a list for a single item.
        error = gateway.refusal(query, variables)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "Int64" in error["message"]
    literal = "{value: 1}" if value == {"value": 1} else json.dumps(value, ensure_ascii=False)
    error = gateway.refusal(f'mutation {{ updateInvitation(input: {{id: "1", created: {literal}}}) {{ id }} }}')
    assert error["extensions"]["code"] in ("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED")
    assert upstream.calls == []


@pytest.mark.parametrize("literal", ["1.0", "1e3", "-1.5", "01", "+1", "1_0", "true", "ENUM", "9" * 5000])
def test_a_literal_that_is_not_an_int64_is_refused(
    gateway: Gateway, upstream: InvitationsUpstream, literal: str
) -> None:
    error = gateway.refusal(f'mutation {{ updateInvitation(input: {{id: "1", created: {literal}}}) {{ id }} }}')
    assert error["extensions"]["code"] in ("GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED")
    assert upstream.calls == []


@pytest.mark.parametrize("number", INT64S)
def test_an_int64_from_a_number_or_a_string_is_returned_exactly_as_a_string(
    gateway: Gateway, upstream: InvitationsUpstream, number: int
) -> None:
    for value in (number, str(number)):
        upstream.expect(always(json_answer(200, {"id": "1", "created": value, "lastModified": value})))
        invitation = gateway.data(GET)["invitation"]
        assert invitation["created"] == invitation["lastModified"] == str(number)


@pytest.mark.parametrize(
    ("milliseconds", "date"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (1484671788434, "2017-01-17T16:49:48.434Z"),
        (951782400000, "2000-02-29T00:00:00.000Z"),
        (1767225599999, "2025-12-31T23:59:59.999Z"),
        (253402300799999, "9999-12-31T23:59:59.999Z"),
        (253402300800000, None),
        (-62135596800000, "0001-01-01T00:00:00.000Z"),
        (-62135596800001, None),
        (2**53, None),
        (2**63 - 1, None),
        (-(2**63), None),
    ],
)
def test_a_date_is_rfc_3339_in_utc_with_milliseconds_or_null_if_there_is_no_such_date(
    gateway: Gateway, upstream: InvitationsUpstream, milliseconds: int, date: str | None
) -> None:
    upstream.expect(always(json_answer(200, {"id": "1", "created": milliseconds, "lastModified": milliseconds})))
    assert gateway.data(GET)["invitation"] == {
        "created": str(milliseconds),
        "createdAt": date,
        "lastModified": str(milliseconds),
        "lastModifiedAt": date,
    }


@pytest.mark.parametrize("absent", [{}, {"created": None, "lastModified": None, "trackingId": None, "id": None}])
def test_a_create_fills_in_the_time_and_a_tracking_id_if_they_are_absent_or_null(
    gateway: Gateway, upstream: InvitationsUpstream, absent: dict[str, None]
) -> None:
    upstream.expect(always(GOOD))
    before = time.time_ns() // 1_000_000
    gateway.data(CREATE, {"input": REQUIRED | absent})
    after = time.time_ns() // 1_000_000
    first = sent(upstream)
    assert before <= first["created"] == first["lastModified"] <= after
    assert UUID(first["trackingId"]).version == 4
    assert first == SENT | {name: first[name] for name in ("created", "lastModified", "trackingId")}

    gateway.data(CREATE, {"input": REQUIRED | absent})
    assert sent(upstream)["trackingId"] != first["trackingId"]


def test_a_create_with_a_given_created_has_a_last_modified_of_now(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(always(GOOD))
    before = time.time_ns() // 1_000_000
    gateway.data(CREATE, {"input": REQUIRED | {"created": 1}})
    after = time.time_ns() // 1_000_000
    created = sent(upstream)
    assert created["created"] == 1
    assert before <= created["lastModified"] <= after


def test_a_create_sends_given_values_even_if_they_are_empty_or_zero(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(always(GOOD))
    given = {"created": 0, "lastModified": -5, "trackingId": "", "id": "mine", "inviter": "", "invitee": ""}
    gateway.data(CREATE, {"input": REQUIRED | given})
    assert sent(upstream) == SENT | given


MESSAGES: dict[str, tuple[Any, Any]] = {
    "empty": ({}, {}),
    "a template": ({"invitationTemplateID": "t"}, {"invitationTemplateID": "t"}),
    "null members": (
        {"invitationTemplateID": None, "invitationMessage": None},
        {"invitationTemplateID": None, "invitationMessage": None},
    ),
    "an empty text": (
        {"invitationMessage": {}},
        {"invitationMessage": {"@odata.type": "microsoft.graph.InvitationMessage"}},
    ),
    "a null body": (
        {"invitationMessage": {"body": None}},
        {"invitationMessage": {"@odata.type": "microsoft.graph.InvitationMessage", "body": None}},
    ),
    "a body": (
        {"invitationMessage": {"body": 'a "b"\n\u2028🙂\0'}},
        {"invitationMessage": {"@odata.type": "microsoft.graph.InvitationMessage", "body": 'a "b"\n\u2028🙂\0'}},
    ),
}


@pytest.mark.parametrize(("message", "body"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_is_sent_unchanged_with_its_annotations(
    gateway: Gateway, upstream: InvitationsUpstream, message: Any, body: Any
) -> None:
    upstream.expect(always(GOOD))
    expected = SENT["message"] | body
    gateway.data(CREATE, {"input": REQUIRED | {"message": message}})
    assert sent(upstream)["message"] == expected
    gateway.data(UPDATE, {"input": {"id": "1", "message": message}})
    assert sent(upstream) == {"@odata.type": SENT["@odata.type"], "id": "1", "message": expected}


@pytest.mark.parametrize("name", ["created", "lastModified", "inviter", "invitee", "message", "trackingId"])
def test_an_update_sends_null_as_null_and_omits_absent_values(
    gateway: Gateway, upstream: InvitationsUpstream, name: str
) -> None:
    upstream.expect(always(GOOD))
    expected = {"@odata.type": SENT["@odata.type"], "id": "1", name: None}
    gateway.data(UPDATE, {"input": {"id": "1", name: None}})
    assert sent(upstream) == expected
    gateway.data(f'mutation {{ updateInvitation(input: {{id: "1", {name}: null}}) {{ id }} }}')
    assert sent(upstream) == expected


def test_an_update_treats_a_missing_variable_as_absent(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(GOOD))
    query = """mutation ($inviter: String, $body: String) { updateInvitation(input: {
        id: "1", invitee: "b", inviter: $inviter, message: {invitationMessage: {body: $body}}}) { id } }"""
    text = {"@odata.type": "microsoft.graph.InvitationMessage"}
    cases: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        ({}, {}, {}),
        ({"inviter": None, "body": None}, {"inviter": None}, {"body": None}),
        ({"inviter": "x", "body": ""}, {"inviter": "x"}, {"body": ""}),
    ]
    for variables, inviter, body in cases:
        gateway.data(query, variables)
        assert sent(upstream) == {
            "@odata.type": SENT["@odata.type"],
            "id": "1",
            "invitee": "b",
            **inviter,
            "message": {**SENT["message"], "invitationMessage": text | body},
        }


def test_an_update_with_only_an_id_is_refused_without_a_request(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    for query in (UPDATE, 'mutation ($x: String) { updateInvitation(input: {id: "1", inviter: $x}) { id } }'):
        error = gateway.error(query, {"input": {"id": "1"}})
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}
        assert "id" in error["message"]
    assert upstream.calls == []


@pytest.mark.parametrize("missing", ["inviter", "invitee", "message"])
def test_a_create_without_a_required_property_is_refused_without_a_request(
    gateway: Gateway, upstream: InvitationsUpstream, missing: str
) -> None:
    for given in ({name: value for name, value in REQUIRED.items() if name != missing}, REQUIRED | {missing: None}):
        error = gateway.refusal(CREATE, {"input": given})
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert missing in error["message"]
    assert upstream.calls == []


@pytest.mark.parametrize("name", ["inviter", "invitee", "trackingId"])
@pytest.mark.parametrize("value", [1, True, {}, [], 1.5])
def test_only_a_string_is_accepted_as_a_string(
    gateway: Gateway, upstream: InvitationsUpstream, name: str, value: object
) -> None:
    assert gateway.refusal(CREATE, {"input": REQUIRED | {name: value}})["extensions"]["code"] == "BAD_USER_INPUT"
    assert gateway.refusal(UPDATE, {"input": {"id": "1", name: value}})["extensions"]["code"] == "BAD_USER_INPUT"
    assert upstream.calls == []


def test_a_text_is_returned_unchanged(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    text = 'line\n"quoted" \\ \u2028 é 🙂 \0 </script>'
    content = json.dumps({"id": "1", "message": {"invitationMessage": {"body": text}}})
    for escaped in (content, json.dumps(json.loads(content), ensure_ascii=False)):
        upstream.expect(always(answer(200, escaped.encode())))
        data = gateway.data('{ invitation(id: "1") { message { invitationMessage { body } } } }')
        assert data["invitation"]["message"]["invitationMessage"]["body"] == text
