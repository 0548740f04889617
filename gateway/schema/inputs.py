"""The GraphQL inputs, and the REST bodies that they become.

Absent is not sent; `null` is sent as `null`, nested as well. Only for `created`, `lastModified`, `trackingId` and `id`
of a new invitation is `null` the same as absent.
"""

from time import time_ns
from typing import TypeVar
from uuid import uuid4

import strawberry
from msgspec import UNSET, UnsetType
from strawberry import Maybe

from gateway import invitations as rest
from gateway.schema.scalars import Int64

_T = TypeVar("_T")
_Nullable = TypeVar(
    "_Nullable", Int64 | None, str | None, "InvitationV2MessageInput | None", "InvitationMessageInput | None"
)


@strawberry.input(description="The text of an invitation: Microsoft Graph's `InvitationMessage`.")
class InvitationMessageInput:
    """Graph's `InvitationMessage`."""

    body: Maybe[str | None] = strawberry.field(description="The text that the invitee reads.")


@strawberry.input(description="What an invitation says: Microsoft Graph's `InvitationV2Message`. It may be empty.")
class InvitationV2MessageInput:
    """Graph's `InvitationV2Message`."""

    invitation_template_id: Maybe[str | None] = strawberry.field(
        name="invitationTemplateID", description="The id of the template that the message is made from."
    )
    invitation_message: Maybe[InvitationMessageInput | None] = strawberry.field(
        description="The text written for this invitation."
    )


@strawberry.input(description="A new invitation. It is sent to a real person once it is created.")
class CreateInvitationInput:
    """The properties of Graph's `InvitationV2` at its creation."""

    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The id of the invitation. The API assigns one when it is absent or null, as is usual.",
    )
    created: Int64 | None = strawberry.field(
        default=strawberry.UNSET,
        description="When it is created, in milliseconds since 1970-01-01T00:00:00Z. Absent or null: now.",
    )
    last_modified: Int64 | None = strawberry.field(
        default=strawberry.UNSET,
        description="When it is last modified, in milliseconds since 1970-01-01T00:00:00Z. Absent or null: now.",
    )
    inviter: str = strawberry.field(description="Who invites: a LinkedIn person URN, `urn:li:person:{id}`.")
    invitee: str = strawberry.field(
        description=(
            "Who is invited: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: InvitationV2MessageInput = strawberry.field(description="What the invitation says; it may be empty.")
    tracking_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="An id that follows the invitation through the systems it passes. Absent or null: a new UUID.",
    )


@strawberry.input(
    description=(
        "Changes of an invitation. A property that is absent stays as it is; one that is null is cleared. "
        "At least one is needed beside `id`."
    )
)
class UpdateInvitationInput:
    """The changes of a Graph `InvitationV2`."""

    id: strawberry.ID = strawberry.field(description="The id of the invitation to change.")
    created: Maybe[Int64 | None] = strawberry.field(
        description="When it was created, in milliseconds since 1970-01-01T00:00:00Z."
    )
    last_modified: Maybe[Int64 | None] = strawberry.field(
        description="When it was last modified, in milliseconds since 1970-01-01T00:00:00Z."
    )
    inviter: Maybe[str | None] = strawberry.field(
        description="Who invites: a LinkedIn person URN, `urn:li:person:{id}`."
    )
    invitee: Maybe[str | None] = strawberry.field(
        description=(
            "Who is invited: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: Maybe[InvitationV2MessageInput | None] = strawberry.field(description="What the invitation says.")
    tracking_id: Maybe[str | None] = strawberry.field(
        description="An id that follows the invitation through the systems it passes."
    )


def new_invitation(input: CreateInvitationInput) -> rest.InvitationV2Body:
    """Return the body that creates the invitation, its defaults filled in."""
    now = Int64(time_ns() // 1_000_000)
    return rest.InvitationV2Body(
        id=UNSET if input.id is None or input.id is strawberry.UNSET else input.id,
        created=_or(input.created, now),
        last_modified=_or(input.last_modified, now),
        inviter=input.inviter,
        invitee=input.invitee,
        message=_message(input.message),
        tracking_id=_or(input.tracking_id, str(uuid4())),
    )


def changes(input: UpdateInvitationInput) -> rest.InvitationV2Body:
    """Return the body with the changes, without the id."""
    message = _given(input.message)
    return rest.InvitationV2Body(
        created=_given(input.created),
        last_modified=_given(input.last_modified),
        inviter=_given(input.inviter),
        invitee=_given(input.invitee),
        message=_message(message) if isinstance(message, InvitationV2MessageInput) else message,
        tracking_id=_given(input.tracking_id),
    )


def _message(input: InvitationV2MessageInput) -> rest.InvitationV2MessageBody:
    text = _given(input.invitation_message)
    return rest.InvitationV2MessageBody(
        invitation_template_id=_given(input.invitation_template_id),
        invitation_message=(
            rest.InvitationMessageBody(body=_given(text.body)) if isinstance(text, InvitationMessageInput) else text
        ),
    )


def _given(maybe: strawberry.Some[_Nullable] | None) -> _Nullable | UnsetType:
    return UNSET if maybe is None else maybe.value


def _or(value: _T | None, default: _T) -> _T:
    # Strawberry gives its own UNSET, typed as Any, for what is absent.
    return default if value is None or value is strawberry.UNSET else value
