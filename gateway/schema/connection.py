"""The list of invitations, as a forward-only Relay connection.

See the GraphQL Cursor Connections Specification. `nodes` next to `edges` follows GitHub's API.
"""

import msgspec
import strawberry

from gateway import invitations as rest
from gateway.schema.fields import resolved_by
from gateway.schema.types import InvitationV2


class Edge(msgspec.Struct, frozen=True):
    """The value of an `InvitationEdge`."""

    node: rest.InvitationV2
    position: rest.Position
    """The position after the node."""


class Connection(msgspec.Struct, frozen=True):
    """The value of an `InvitationConnection` and its `PageInfo`."""

    found: rest.InvitationSlice
    has_previous_page: bool

    @property
    def nodes(self) -> list[rest.InvitationV2]:
        """The items, without cursors."""
        return self.found.nodes

    @property
    def has_next_page(self) -> bool:
        """Whether there are more items."""
        return self.found.has_next


def _edges(root: strawberry.Parent[Connection]) -> list[Edge]:
    return [Edge(node, root.found.position_after(index)) for index, node in enumerate(root.found.nodes)]


def _page_info(root: strawberry.Parent[Connection]) -> Connection:
    return root


def _cursor(root: strawberry.Parent[Edge]) -> str:
    return root.position.cursor()


def _start_cursor(root: strawberry.Parent[Connection]) -> str | None:
    return root.found.position_after(0).cursor() if root.found.nodes else None


def _end_cursor(root: strawberry.Parent[Connection]) -> str | None:
    # An empty page with a next link has no edges, but still has a position to continue from.
    return root.found.end.cursor() if root.found.nodes or root.found.has_next else None


@strawberry.type(description="The position of a page in a list (Relay).")
class PageInfo:
    """Relay's `PageInfo`."""

    has_next_page: bool = strawberry.field(
        description="Whether there are more items. This can be true even if the page has fewer items than requested."
    )
    has_previous_page: bool = strawberry.field(
        description="Whether `after` was given. The list cannot be read backwards."
    )
    start_cursor: str | None = strawberry.field(
        resolver=_start_cursor, description="The cursor of the first item. Null if the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        resolver=_end_cursor, description="The `after` for the next page. Null if there is nothing to continue from."
    )


@strawberry.type(description="An invitation in a list, with its cursor (Relay).")
class InvitationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(
        resolver=_cursor,
        description="An opaque string. Pass it as `after` to get the items that follow.",
    )
    node: InvitationV2 = strawberry.field(description="The invitation.")


@strawberry.type(description="A page of invitations (Relay).")
class InvitationConnection:
    """Relay's connection."""

    edges: list[InvitationEdge] = resolved_by(_edges, list[InvitationEdge], "The invitations with their cursors.")
    nodes: list[InvitationV2] = strawberry.field(description="The invitations without their cursors.")
    page_info: PageInfo = resolved_by(_page_info, PageInfo, "The position of this page in the list.")
