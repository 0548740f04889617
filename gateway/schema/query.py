"""The queries: what can be read."""

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
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the invitation.")]
) -> rest.InvitationV2 | None:
    return await info.context.invitation(id)


async def _invitations(
    info: Info,
    first: Annotated[
        int | None,
        strawberry.argument(
            description=f"Maximum number of items, 1 to {MAX_FIRST}. Absent or null: {DEFAULT_FIRST}. "
            "With `after` it can lower the page size that the first page asked for, but not raise it."
        ),
    ] = DEFAULT_FIRST,
    after: Annotated[
        str | None,
        strawberry.argument(description="The cursor to go on behind; absent or null is the beginning."),
    ] = strawberry.UNSET,
) -> Connection:
    count = DEFAULT_FIRST if first is None else first
    if not 1 <= count <= MAX_FIRST:
        raise GatewayError(ErrorCode.BAD_USER_INPUT, f"`first` must be 1 to {MAX_FIRST}.")
    position = None if after is None or after is strawberry.UNSET else _position(after)
    found = await info.context.invitations.page(count, position)
    return Connection(found, has_previous_page=position is not None)


def _position(after: str) -> rest.Position:
    try:
        return rest.Position.parse(after)
    except ValueError:
        raise GatewayError(ErrorCode.BAD_USER_INPUT, "`after` must be a cursor that this API gave.") from None


@strawberry.type(description="What can be read.")
class Query:
    """The root of queries."""

    invitation: InvitationV2 | None = resolved_by(
        _invitation,
        InvitationV2 | None,
        "One invitation: `GET /linkedIn/invitations/{id}`. Null when there is none with that id.",
    )
    invitations: InvitationConnection | None = resolved_by(
        _invitations,
        InvitationConnection | None,
        "The invitations that the bearer token may see: `GET /linkedIn/invitations`, in the order of the API. "
        "All items come from one page of the API, so there can be fewer than `first` although the list goes on: "
        "only `hasNextPage` tells its end. While invitations come and go between two requests, "
        "an item can be met twice or missed.",
    )
