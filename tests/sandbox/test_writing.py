from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

pytestmark = pytest.mark.quick

INVITATION: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.InvitationV2",
    "created": 1767225600000,
    "lastModified": 1767225600001,
    "inviter": "urn:li:person:abc",
    "invitee": "urn:li:email:someone@example.com",
    "message": {
        "@odata.type": "microsoft.graph.InvitationV2Message",
        "invitationTemplateID": "generic-connect",
        "invitationMessage": {"@odata.type": "microsoft.graph.InvitationMessage", "body": "Grüße 🙂"},
    },
    "trackingId": "t-1",
}
REQUIRED = ["created", "lastModified", "inviter", "invitee", "message", "trackingId"]


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


def create(client: httpx.Client, url: str, **members: object) -> dict[str, Any]:
    response = client.post(url, json=INVITATION | members)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def test_a_create_returns_the_object_with_a_new_uuid(client: httpx.Client, url: str) -> None:
    response = client.post(url, json=INVITATION)
    created = response.json()
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("application/json;")
    assert str(UUID(created["id"])) == created["id"]
    assert response.headers["location"] == f"{url}/{created['id']}"
    context = url.replace("/linkedIn", "/$metadata#linkedIn") + "/$entity"
    assert created == {"@odata.context": context, "id": created["id"]} | INVITATION
    assert client.get(response.headers["location"]).json() == created


def test_the_example_in_microsofts_documentation_is_accepted(client: httpx.Client, url: str) -> None:
    message = {"@odata.type": "microsoft.graph.InvitationV2Message"}
    created = create(client, url, message=message)
    assert created["message"] == message | {"invitationTemplateID": None, "invitationMessage": None}


@pytest.mark.parametrize(
    "invitation_id", ["plain", "urn:li:invitation:7", "a/b?c#d%2Fe f", "日本語🙂", "new\nline\n", "..", "'\"\\", "\0"]
)
def test_a_given_id_is_kept_and_can_be_read(client: httpx.Client, url: str, invitation_id: str) -> None:
    response = client.post(url, json=INVITATION | {"id": invitation_id})
    assert response.status_code == 201
    assert response.json()["id"] == invitation_id
    assert response.headers["location"] == f"{url}/{quote(invitation_id, safe='')}"
    assert client.patch(url, json={"id": invitation_id, "trackingId": "t-2"}).json()["trackingId"] == "t-2"
    if invitation_id != "..":  # like every WHATWG client, httpx resolves it as the parent folder
        found = client.get(response.headers["location"]).json()
        assert (found["id"], found["trackingId"]) == (invitation_id, "t-2")


def test_an_existing_id_is_a_conflict_and_changes_nothing(client: httpx.Client, url: str) -> None:
    created = create(client, url, id="taken")
    assert error_of(client.post(url, json=INVITATION | {"id": "taken", "trackingId": "other"}))[:2] == (409, "Conflict")
    assert client.get(f"{url}/taken").json() == created


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("null", [True, False])
def test_the_error_names_a_required_property_that_is_missing_or_null(
    client: httpx.Client, url: str, name: str, *, null: bool
) -> None:
    body = {key: value for key, value in INVITATION.items() if key != name} | ({name: None} if null else {})
    status, code, message = error_of(client.post(url, json=body))
    assert (status, code) == (400, "BadRequest")
    assert f"'{name}'" in message


WRONG = [
    ("created", "soon"),
    ("created", True),
    ("created", 1.5),
    ("created", 1.0),
    ("created", 2**63),
    ("lastModified", -(2**63) - 1),
    ("lastModified", "9223372036854775808"),
    ("lastModified", " 1"),
    ("lastModified", "1e3"),
    ("lastModified", "\u0661"),
    ("lastModified", []),
    ("inviter", 5),
    ("invitee", {"a": 1}),
    ("trackingId", False),
    ("message", "hello"),
    ("message", []),
    ("message.invitationTemplateID", 7),
    ("message.invitationMessage", "hello"),
    ("message.invitationMessage.body", ["x"]),
    ("id", 5),
    ("id", ""),
    ("surprise", 1),
    ("message.surprise", None),
]


def nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_the_error_names_a_property_that_is_unknown_or_of_the_wrong_type(
    client: httpx.Client, url: str, path: str, value: object
) -> None:
    name = path.rpartition(".")[2]
    body = INVITATION | nested(path, value)
    status, code, message = error_of(client.post(url, json=body))
    assert (status, code) == (400, "BadRequest")
    assert name in message
    if name == "id":
        return
    before = create(client, url)
    status, code, message = error_of(client.patch(f"{url}/{before['id']}", json=nested(path, value)))
    assert (status, code) == (400, "BadRequest")
    assert name in message
    assert client.get(f"{url}/{before['id']}").json() == before


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, 0, 2**53 + 1, -1])
def test_an_int64_is_kept_exactly_as_a_number_and_as_a_string(client: httpx.Client, url: str, number: int) -> None:
    created = create(client, url, created=number, lastModified=str(number))
    assert (created["created"], created["lastModified"]) == (number, number)
    assert client.get(f"{url}/{created['id']}").json() == created
    updated = client.patch(f"{url}/{created['id']}", json={"created": str(number), "lastModified": number})
    assert updated.json() == created


def test_annotations_of_any_kind_are_ignored(client: httpx.Client, url: str) -> None:
    body = {"@odata.context": "x", "@odata.etag": 5, "created@odata.type": "#Int64", "@odata.type": "#other"}
    created = create(client, url, **body)
    assert created["@odata.type"] == "#microsoft.graph.InvitationV2"
    assert "@odata.etag" not in created


def test_an_update_by_body_changes_only_the_given_properties(client: httpx.Client, url: str) -> None:
    created = create(client, url)
    response = client.patch(url, json={"id": created["id"], "invitee": "urn:li:person:new", "created": 5})
    assert response.status_code == 200
    assert response.json() == created | {"invitee": "urn:li:person:new", "created": 5}
    assert client.get(f"{url}/{created['id']}").json() == response.json()


def test_an_update_by_path_works_with_and_without_the_id_in_the_body(client: httpx.Client, url: str) -> None:
    created = create(client, url)
    item = f"{url}/{created['id']}"
    assert client.patch(item, json={"inviter": "a"}).json() == created | {"inviter": "a"}
    assert client.patch(item, json={"inviter": "b", "id": created["id"]}).json() == created | {"inviter": "b"}
    assert client.patch(item, json={}).json() == created | {"inviter": "b"}


@pytest.mark.parametrize("name", REQUIRED)
def test_null_clears_a_property(client: httpx.Client, url: str, name: str) -> None:
    created = create(client, url)
    response = client.patch(url, json={"id": created["id"], name: None})
    assert response.status_code == 200
    assert response.json() == created | {name: None}


def test_a_message_is_merged_at_every_level(client: httpx.Client, url: str) -> None:
    item = f"{url}/{create(client, url)['id']}"

    def message_after(change: object) -> tuple[Any, Any]:
        message = client.patch(item, json={"message": change}).json()["message"]
        return message["invitationTemplateID"], (message["invitationMessage"] or {}).get("body")

    assert message_after({}) == ("generic-connect", "Grüße 🙂")
    assert message_after({"invitationTemplateID": "other"}) == ("other", "Grüße 🙂")
    assert message_after({"invitationMessage": {"body": "new"}}) == ("other", "new")
    assert message_after({"invitationMessage": {}}) == ("other", "new")
    assert message_after({"invitationMessage": {"body": None}, "invitationTemplateID": None}) == (None, None)
    assert message_after({"invitationTemplateID": "again", "invitationMessage": None}) == ("again", None)
    assert client.patch(item, json={"message": None}).json()["message"] is None
    assert message_after({"invitationMessage": {"body": "from nothing"}}) == (None, "from nothing")


def test_an_update_of_an_unknown_id_is_not_found_and_creates_nothing(client: httpx.Client, url: str) -> None:
    assert error_of(client.patch(url, json=INVITATION | {"id": "nobody"}))[:2] == (404, "ResourceNotFound")
    assert error_of(client.patch(f"{url}/nobody", json={"inviter": "a"}))[:2] == (404, "ResourceNotFound")
    assert client.get(f"{url}/nobody").status_code == 404


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": 5}, {"id": ""}, {"inviter": "a"}])
def test_an_update_of_the_collection_needs_an_id(client: httpx.Client, url: str, body: dict[str, object]) -> None:
    status, code, message = error_of(client.patch(url, json=body))
    assert (status, code) == (400, "BadRequest")
    assert "'id'" in message


@pytest.mark.parametrize("other", ["another", None, 5])
def test_the_id_cannot_be_changed(client: httpx.Client, url: str, other: object) -> None:
    created = create(client, url)
    status, _, message = error_of(client.patch(f"{url}/{created['id']}", json={"id": other}))
    assert status == 400
    assert "'id'" in message
    assert client.get(f"{url}/{created['id']}").json() == created
