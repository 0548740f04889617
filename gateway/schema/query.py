"""The queries."""

from typing import Annotated

import strawberry

from gateway import invitations as rest
from gateway.errors import ErrorCode, GatewayError
from gateway.schema.connection import Connection, InvitationConnection
from gateway.schema.context import Info
from gateway.schema.fields import resolved_by
from gateway.schema.types import InvitationV2

DEFAULT_FIRST = 20
MAX_FIRST = 100


async def _invitation(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The ID of the invitation.")]
) -> rest.InvitationV2 | None:
    return await info.context.invitation(id)


async def _invitations(
    info: Info,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"The maximum number of items, 1 to {MAX_FIRST}. Default: {DEFAULT_FIRST}. "
            "With `after`, it can lower the page size of the first request, but not raise it."
        ),
    ] = DEFAULT_FIRST,
    after: Annotated[
        str | None,
        strawberry.argument(description="Return items after this cursor. Default: from the start."),
    ] = strawberry.UNSET,
) -> Connection:
    count = DEFAULT_FIRST if first is None else first
    if not 1 <= count <= MAX_FIRST:
        raise GatewayError(ErrorCode.BAD_USER_INPUT, f"`first` must be between 1 and {MAX_FIRST}.")
    position = None if after is None or after is strawberry.UNSET else _position(after)
    found = await info.context.invitations.page(count, position)
    return Connection(found, has_previous_page=position is not None)


def _position(after: str) -> rest.Position:
    try:
        return rest.Position.parse(after)
    except ValueError:
        raise GatewayError(ErrorCode.BAD_USER_INPUT, "`after` must be a cursor returned by this API.") from None


@strawberry.type(description="The read operations.")
class Query:
    """The root type of queries."""

    invitation: InvitationV2 | None = resolved_by(
        _invitation,
        InvitationV2 | None,
        "The invitation with this ID (`GET /linkedIn/invitations/{id}`). Null if there is none.",
    )
    invitations: InvitationConnection | None = resolved_by(
        _invitations,
        InvitationConnection | None,
        "The invitations that the bearer token can access, in the API's order (`GET /linkedIn/invitations`). "
        "All items come from one page of the API, so there can be fewer than `first` even if more follow: "
        "check `hasNextPage`. If invitations are added or removed between two requests, "
        "an item can appear twice or be missed.",
    )
