"""The values of the REST API, typed.

Names and types follow Microsoft Graph's "Create invitations" and "Update invitations" pages and their sibling pages.
Responses are read into `InvitationV2`, `InvitationV2Message` and `InvitationMessage`. Request bodies are the types
whose names end in `Body`: a member that is `msgspec.UNSET` is omitted, and `None` is sent as `null`.
"""

import re
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

_Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)]

_CANONICAL_INT64 = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def parse_int64(text: str) -> int:
    """Return the 64-bit integer that a canonical decimal string stands for.

    Raises ValueError for anything else: spaces, a plus sign, leading zeros, `-0`, non-ASCII digits, out of range.
    """
    if _CANONICAL_INT64.fullmatch(text) and INT64_MIN <= (value := int(text)) <= INT64_MAX:
        return value
    raise ValueError("expected a decimal integer of 64 bits")


class InvitationMessage(Struct, frozen=True, rename="camel"):
    """Graph's `InvitationMessage`."""

    body: str | None = None


class InvitationV2Message(Struct, frozen=True, rename="camel"):
    """Graph's `InvitationV2Message`."""

    invitation_template_id: str | None = msgspec.field(default=None, name="invitationTemplateID")
    invitation_message: InvitationMessage | None = None


class InvitationV2(Struct, frozen=True, rename="camel"):
    """Graph's `InvitationV2`. Only `id` is guaranteed; a member that is missing or `null` is None."""

    id: str
    created: _Int64 | None = None
    last_modified: _Int64 | None = None
    inviter: str | None = None
    invitee: str | None = None
    message: InvitationV2Message | None = None
    tracking_id: str | None = None


class InvitationPage(Struct, frozen=True):
    """One page of the list: Graph's collection envelope."""

    value: list[InvitationV2]
    next_link: str | None = msgspec.field(default=None, name="@odata.nextLink")


class InvitationMessageBody(Struct, rename="camel", tag_field="@odata.type", tag="microsoft.graph.InvitationMessage"):
    """An `InvitationMessage` to send."""

    body: str | UnsetType | None = UNSET


class InvitationV2MessageBody(
    Struct, rename="camel", tag_field="@odata.type", tag="microsoft.graph.InvitationV2Message"
):
    """An `InvitationV2Message` to send."""

    invitation_template_id: str | UnsetType | None = msgspec.field(default=UNSET, name="invitationTemplateID")
    invitation_message: InvitationMessageBody | UnsetType | None = UNSET


class InvitationV2Body(Struct, rename="camel", tag_field="@odata.type", tag="#microsoft.graph.InvitationV2"):
    """An `InvitationV2` to send: the whole invitation for a create, only the changes for an update."""

    id: str | UnsetType = UNSET
    created: int | UnsetType | None = UNSET
    last_modified: int | UnsetType | None = UNSET
    inviter: str | UnsetType | None = UNSET
    invitee: str | UnsetType | None = UNSET
    message: InvitationV2MessageBody | UnsetType | None = UNSET
    tracking_id: str | UnsetType | None = UNSET


_invitation_decoder = msgspec.json.Decoder(InvitationV2)
_page_decoder = msgspec.json.Decoder(InvitationPage)


def decode_invitation(content: bytes) -> InvitationV2:
    """Return the `InvitationV2` in a response body: bare, or wrapped as in the "Get" page's example, `{"value": {…}}`.

    Raises ValueError if it is invalid, RecursionError if it is nested too deeply.
    """
    try:
        return _invitation_decoder.decode(content)
    except msgspec.ValidationError:
        raw = msgspec.json.decode(content)
        if isinstance(raw, dict) and "id" not in raw:
            raw = raw.get("value")
        return msgspec.convert(_with_integers(raw), InvitationV2)


def decode_page(content: bytes) -> InvitationPage:
    """Return the page in a response body. Raises ValueError if it is invalid, RecursionError if nested too deeply."""
    try:
        return _page_decoder.decode(content)
    except msgspec.ValidationError:
        raw = msgspec.json.decode(content)
        if isinstance(raw, dict) and isinstance(raw.get("value"), list):
            raw["value"] = [_with_integers(item) for item in raw["value"]]
        return msgspec.convert(raw, InvitationPage)


def _with_integers(raw: object) -> object:
    """Return the object with its Int64s parsed: a service set to `IEEE754Compatible=true` sends decimal strings."""
    if not isinstance(raw, dict):
        return raw
    texts = {name: raw[name] for name in ("created", "lastModified") if isinstance(raw.get(name), str)}
    return {**raw, **{name: parse_int64(text) for name, text in texts.items()}}
