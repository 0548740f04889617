"""The REST API's invitation: its types, and how a create or an update applies a request's body."""

import re
from typing import Annotated

import msgspec

from gateway.sandbox.errors import bad_request

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# The page says that all seven are required, but its own example sends no id: the service assigns it.
REQUIRED = ("created", "lastModified", "inviter", "invitee", "message", "trackingId")
INT64_PROPERTIES = ("created", "lastModified")
# OData ABNF, int64Value: an Int64 as a string (IEEE754Compatible=true)
INT64_TEXT = re.compile(r"[+-]?[0-9]{1,19}")


class InvitationMessage(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="microsoft.graph.InvitationMessage"
):
    """The text for the recipient."""

    body: str | None = None


class InvitationV2Message(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="microsoft.graph.InvitationV2Message"
):
    """A template id, a text, both or neither."""

    # The API's spelling
    invitationTemplateID: str | None = None  # noqa: N815
    invitationMessage: InvitationMessage | None = None  # noqa: N815


class InvitationV2(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="#microsoft.graph.InvitationV2"
):
    """One invitation; `created` and `lastModified` are milliseconds since the Unix epoch."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    created: Int64 | None = None
    # The API's spelling
    lastModified: Int64 | None = None  # noqa: N815
    inviter: str | None = None
    invitee: str | None = None
    message: InvitationV2Message | None = None
    trackingId: str | None = None  # noqa: N815


def parse(body: bytes) -> dict[str, object]:
    """Return the JSON object in a request's body, without annotations (members with an `@` in their name).

    Raises a GraphError (400) if the body is not a JSON object.
    """
    try:
        members = _without_annotations(msgspec.json.decode(body, type=dict[str, object]))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_request(f"The body must be a JSON object: {error}.") from error
    except RecursionError as error:
        raise bad_request("The body is nested too deeply.") from error
    for name in INT64_PROPERTIES:
        text = members.get(name)
        if isinstance(text, str) and INT64_TEXT.fullmatch(text):
            members[name] = int(text)
    return members


def created(members: dict[str, object], new_id: str) -> InvitationV2:
    """Return the invitation for a create; `new_id` is its id unless the body has one.

    Raises a GraphError (400) that names the property that is missing, null, unknown or of a wrong type.
    """
    for name in REQUIRED:
        if members.get(name) is None:
            raise bad_request(f"The property '{name}' is required.")
    if members.get("id") is None:
        members = {**members, "id": new_id}
    return _invitation(members)


def updated(document: bytes, changes: dict[str, object]) -> InvitationV2:
    """Return an invitation, given as JSON, with an update's changes applied.

    OData 4.01 protocol, 11.4.3 "Update an Entity": absent properties stay unchanged and `null` clears a property, at
    every level, so `message` is merged, not replaced. This includes `lastModified`: the pages list it among the
    properties that a client sends.

    Raises a GraphError (400) that names the property that is unknown or of a wrong type.
    """
    return _invitation(_merged(_without_annotations(msgspec.json.decode(document, type=dict[str, object])), changes))


def _invitation(members: dict[str, object]) -> InvitationV2:
    try:
        return msgspec.convert(members, InvitationV2)
    except msgspec.ValidationError as error:
        raise bad_request(f"The body is not a valid InvitationV2: {error}.") from error


def _merged(current: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    result = dict(current)
    for name, value in changes.items():
        before = result.get(name)
        result[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _without_annotations(members: dict[str, object]) -> dict[str, object]:
    return {
        name: _without_annotations(value) if isinstance(value, dict) else value
        for name, value in members.items()
        if "@" not in name
    }
