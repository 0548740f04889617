"""The GraphQL inputs, and their conversion to REST bodies.

Absent fields are not sent and `null` is sent as `null`, also in nested objects. The exception is a new invitation: for
its `created`, `lastModified`, `trackingId` and `id`, `null` means absent.
"""

from time import time_ns
from typing import Any
from uuid import uuid4

import msgspec
import strawberry
from msgspec import UNSET
from strawberry import Maybe

from gateway import invitations as rest
from gateway.schema.scalars import Int64


@strawberry.input(description="The custom text of an invitation: Microsoft Graph's `InvitationMessage`.")
class InvitationMessageInput:
    """Graph's `InvitationMessage`."""

    body: Maybe[str | None] = strawberry.field(description="The text that the recipient reads.")


@strawberry.input(description="The message of an invitation: Microsoft Graph's `InvitationV2Message`. It can be empty.")
class InvitationV2MessageInput:
    """Graph's `InvitationV2Message`."""

    invitation_template_id: Maybe[str | None] = strawberry.field(
        name="invitationTemplateID", description="The ID of the message template, as defined by the API."
    )
    invitation_message: Maybe[InvitationMessageInput | None] = strawberry.field(
        description="The text written for this invitation."
    )


@strawberry.input(description="A new invitation. Creating it sends it to a real person. Null means the default.")
class CreateInvitationInput:
    """The properties of a new Graph `InvitationV2`."""

    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The ID of the invitation. Default: assigned by the API. Rarely needed.",
    )
    created: Int64 | None = strawberry.field(
        default=strawberry.UNSET,
        description="The time of creation, in milliseconds since 1970-01-01T00:00:00Z. Default: now.",
    )
    last_modified: Int64 | None = strawberry.field(
        default=strawberry.UNSET,
        description="The time of the last change, in milliseconds since 1970-01-01T00:00:00Z. Default: now.",
    )
    inviter: str = strawberry.field(description="The sender, as a LinkedIn person URN: `urn:li:person:{id}`.")
    invitee: str = strawberry.field(
        description=(
            "The recipient, as a URN: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: InvitationV2MessageInput = strawberry.field(
        description="The message of the invitation. It can be empty: `{}`."
    )
    tracking_id: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="An ID that tracks the invitation across systems. Default: a new UUID.",
    )


@strawberry.input(
    description=(
        "Changes to an invitation. Absent properties stay unchanged; null clears a property. "
        "At least one property besides `id` is required."
    )
)
class UpdateInvitationInput:
    """The changes to a Graph `InvitationV2`."""

    id: strawberry.ID = strawberry.field(description="The ID of the invitation to change.")
    created: Maybe[Int64 | None] = strawberry.field(
        description="The time of creation, in milliseconds since 1970-01-01T00:00:00Z."
    )
    last_modified: Maybe[Int64 | None] = strawberry.field(
        description="The time of the last change, in milliseconds since 1970-01-01T00:00:00Z."
    )
    inviter: Maybe[str | None] = strawberry.field(
        description="The sender, as a LinkedIn person URN: `urn:li:person:{id}`."
    )
    invitee: Maybe[str | None] = strawberry.field(
        description=(
            "The recipient, as a URN: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: Maybe[InvitationV2MessageInput | None] = strawberry.field(description="The message of the invitation.")
    tracking_id: Maybe[str | None] = strawberry.field(description="An ID that tracks the invitation across systems.")


_BODIES: dict[type, type[msgspec.Struct]] = {
    CreateInvitationInput: rest.InvitationV2Body,
    UpdateInvitationInput: rest.InvitationV2Body,
    InvitationV2MessageInput: rest.InvitationV2MessageBody,
    InvitationMessageInput: rest.InvitationMessageBody,
}


def as_given(input: CreateInvitationInput | UpdateInvitationInput) -> rest.InvitationV2Body:
    """Return the body for an input, without defaults."""
    body: rest.InvitationV2Body = _body(input)
    return body


def new_invitation(input: CreateInvitationInput) -> rest.InvitationV2Body:
    """Return the body that creates the invitation, with its defaults filled in."""
    body: rest.InvitationV2Body = _body(input)
    now = time_ns() // 1_000_000
    if body.created is UNSET:
        body.created = now
    if body.last_modified is UNSET:
        body.last_modified = now
    if body.tracking_id is UNSET:
        body.tracking_id = str(uuid4())
    return body


def changes(input: UpdateInvitationInput) -> rest.InvitationV2Body:
    """Return the body of the update, without the id."""
    body: rest.InvitationV2Body = _body(input)
    body.id = UNSET
    return body


def _body(input: object) -> Any:
    """Return the body for an input: its properties have the same names."""
    properties = {}
    for name, given in vars(input).items():
        if given is None or given is strawberry.UNSET:
            continue
        value = given.value if type(given) is strawberry.Some else given
        properties[name] = _body(value) if type(value) in _BODIES else value
    return _BODIES[type(input)](**properties)
