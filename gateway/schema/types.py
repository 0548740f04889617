"""The GraphQL types of what the invitations API gives.

Their values are the structs of `gateway.invitations`, whose attributes have the names of the fields here; no object is
built in between.
"""

import strawberry

from gateway import invitations as rest
from gateway.schema.scalars import DateTime, Int64, date_time


def _created_at(root: strawberry.Parent[rest.InvitationV2]) -> DateTime | None:
    return date_time(root.created)


def _last_modified_at(root: strawberry.Parent[rest.InvitationV2]) -> DateTime | None:
    return date_time(root.last_modified)


@strawberry.type(description="The text of an invitation: Microsoft Graph's `InvitationMessage`.")
class InvitationMessage:
    """Graph's `InvitationMessage`."""

    body: str | None = strawberry.field(description="The text that the invitee reads.")


@strawberry.type(description="What an invitation says: Microsoft Graph's `InvitationV2Message`.")
class InvitationV2Message:
    """Graph's `InvitationV2Message`."""

    invitation_template_id: str | None = strawberry.field(
        name="invitationTemplateID",
        description="The id of the template that the message is made from; the API assigns its meaning.",
    )
    invitation_message: InvitationMessage | None = strawberry.field(description="The text written for this invitation.")


@strawberry.type(
    name="InvitationV2",
    description=(
        "An invitation from one LinkedIn member to somebody else: Microsoft Graph's `InvitationV2`. "
        "A property that the API does not give is null; only `id` is always there."
    ),
)
class InvitationV2:
    """Graph's `InvitationV2`."""

    id: strawberry.ID = strawberry.field(description="The API's id of the invitation, unique among invitations.")
    created: Int64 | None = strawberry.field(
        description="When the invitation was created, in milliseconds since 1970-01-01T00:00:00Z, as the API has it."
    )
    created_at: DateTime | None = strawberry.field(
        resolver=_created_at,
        description="`created` as a date; null where `created` is null or not within the years 1 to 9999.",
    )
    last_modified: Int64 | None = strawberry.field(
        description=(
            "When the invitation was last modified, in milliseconds since 1970-01-01T00:00:00Z, as the API has it."
        )
    )
    last_modified_at: DateTime | None = strawberry.field(
        resolver=_last_modified_at,
        description="`lastModified` as a date; null where `lastModified` is null or not within the years 1 to 9999.",
    )
    inviter: str | None = strawberry.field(description="Who invites: a LinkedIn person URN, `urn:li:person:{id}`.")
    invitee: str | None = strawberry.field(
        description=(
            "Who is invited: `urn:li:person:{id}`, `urn:li:emailAddress:{id}`, `urn:li:phoneAccount:{id}` "
            "or `urn:li:email:{address}`."
        )
    )
    message: InvitationV2Message | None = strawberry.field(description="What the invitation says.")
    tracking_id: str | None = strawberry.field(
        description="An id that follows the invitation through the systems it passes; given by whoever created it."
    )
