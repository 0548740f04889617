"""The invitation as the REST API knows it: its types, and what a create or an update makes of a request's body."""

import re
from typing import Annotated

import msgspec

from gateway.sandbox.errors import bad_request

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# "All seven are required"; but the service assigns the id when none is sent, as in the page's own example
REQUIRED = ("created", "lastModified", "inviter", "invitee", "message", "trackingId")
INT64_PROPERTIES = ("created", "lastModified")
# OData ABNF, int64Value: how an Int64 is written where it is sent as a string (IEEE754Compatible=true)
INT64_TEXT = re.compile(r"[+-]?[0-9]{1,19}")


class InvitationMessage(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="microsoft.graph.InvitationMessage"
):
    """The text that a person is sent."""

    body: str | None = None


class InvitationV2Message(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="microsoft.graph.InvitationV2Message"
):
    """A template's id, a text, both or neither."""

    # The API's own spelling
    invitationTemplateID: str | None = None  # noqa: N815
    invitationMessage: InvitationMessage | None = None  # noqa: N815


class InvitationV2(
    msgspec.Struct, forbid_unknown_fields=True, tag_field="@odata.type", tag="#microsoft.graph.InvitationV2"
):
    """One invitation; `created` and `lastModified` are milliseconds since the Unix epoch."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    created: Int64 | None = None
    # The API's own spelling
    lastModified: Int64 | None = None  # noqa: N815
    inviter: str | None = None
    invitee: str | None = None
    message: InvitationV2Message | None = None
    trackingId: str | None = None  # noqa: N815


def parse(body: bytes) -> dict[str, object]:
    """Read the JSON object in a request's body, without its annotations (members with an `@` in their name).

    Raises a GraphError (400) when it is no JSON object.
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
    """Make the invitation that a create asks for; `new_id` is its id unless it brings one.

    Raises a GraphError (400) that names the property that is missing, null, of a wrong type or unknown.
    """
    for name in REQUIRED:
        if members.get(name) is None:
            raise bad_request(f"The property '{name}' is required.")
    if members.get("id") is None:
        members = {**members, "id": new_id}
    return _invitation(members)


def updated(document: bytes, changes: dict[str, object]) -> InvitationV2:
    """Apply an update's changes to an invitation, given as its JSON.

    OData 4.01 protocol, 11.4.3 "Update an Entity": only what the body specifies changes, at every level of it, so
    an absent property stays as it is and `null` clears one; `message` is merged, not replaced. `lastModified` is no
    exception: the pages list it among the properties that a client sends.

    Raises a GraphError (400) that names the property that is of a wrong type or unknown.
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
