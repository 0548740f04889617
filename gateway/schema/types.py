"""The GraphQL types of invitations.

Resolvers return the structs of `gateway.invitations` as they are: their attributes have the names of the fields here.
"""

import strawberry

from gateway import invitations as rest
from gateway.schema.scalars import DateTime, Int64, date_time


def _created_at(root: strawberry.Parent[rest.InvitationV2]) -> DateTime | None:
    return date_time(root.created)


def _last_modified_at(root: strawberry.Parent[rest.InvitationV2]) -> DateTime | None:
    return date_time(root.last_modified)


@strawberry.type(description="The custom text of an invitation: Microsoft Graph's `InvitationMessage`.")
class InvitationMessage:
    """Graph's `InvitationMessage`."""

    body: str | None = strawberry.field(description="The text that the recipient reads.")


@strawberry.type(description="The message of an invitation: Microsoft Graph's `InvitationV2Message`.")
class InvitationV2Message:
    """Graph's `InvitationV2Message`."""

    invitation_template_id: str | None = strawberry.field(
        name="invitationTemplateID", description="The ID of the message template, as defined by the API."
    )
    invitation_message: InvitationMessage | None = strawberry.field(description="The text written for this invitation.")


@strawberry.type(
    name="InvitationV2",
    description=(
        "An invitation from a LinkedIn member to someone else: Microsoft Graph's `InvitationV2`. "
        "Properties that the API does not return are null; only `id` is always present."
    ),
)
class InvitationV2:
    """Graph's `InvitationV2`."""

    id: strawberry.ID = strawberry.field(description="The unique ID of the invitation.")
    created: Int64 | None = strawberry.field(
        description="The time of creation, in milliseconds since 1970-01-01T00:00:00Z."
    )
    created_at: DateTime | None = strawberry.field(
        resolver=_created_at,
        description="`created` as a date and time. Null if `created` is null or outside the years 1 to 9999.",
    )
    last_modified: Int64 | None = strawberry.field(
        description="The time of the last change, in milliseconds since 1970-01-01T00:00:00Z."
    )
    last_modified_at: DateTime | None = strawberry.field(
        resolver=_last_modified_at,
        description="`lastModified` as a date and time. Null if `lastModified` is null or outside the years 1 to 9999.",
    )
    inviter: str | None = strawberry.field(description="The sender, as a LinkedIn person URN: `urn:li:person:{id}`.")
    invitee: str | None = strawberry.field(
        description=(
            "The recipient, as a URN: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: InvitationV2Message | None = strawberry.field(description="The message of the invitation.")
    tracking_id: str | None = strawberry.field(
        description="An ID that tracks the invitation across systems, set by its creator."
    )
