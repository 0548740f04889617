"""List pagination: Graph's `@odata.nextLink` on one side, opaque cursors on the other.

A cursor contains only the query of a page and a position in that page. Whatever a link or a client says, the next
request, and the bearer token with it, goes to the configured host and path.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Container
from urllib.parse import SplitResult, unquote_plus, urlsplit

import msgspec

from gateway.invitations.model import InvitationPage, InvitationV2

MAX_QUERY = 4096
"""Maximum characters of a page's query, or of the link to it.

More than any `$skiptoken` seen, less than servers accept in a request line.
"""

_QUERY = re.compile(rf"[!-~]{{1,{MAX_QUERY}}}", re.ASCII)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_cursor_decoder = msgspec.json.Decoder(tuple[str, int])


class Position(msgspec.Struct, frozen=True):
    """A place in a list: the query of a page, and the number of that page's items to skip."""

    query: str
    offset: int = 0

    def page(self) -> list[str]:
        """Return a key that identifies the page, however its query is encoded and ordered."""
        return sorted(unquote_plus(self.query).split("&"))

    def cursor(self) -> str:
        """Return the position as an opaque string."""
        return urlsafe_b64encode(msgspec.json.encode((self.query, self.offset))).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str) -> "Position":
        """Return the position that a cursor stands for. Raises ValueError if `cursor()` did not make it."""
        content = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = cls(*_cursor_decoder.decode(content))
        if position.cursor() != cursor or position.offset < 0 or not _is_query(position.query):
            raise ValueError("not a cursor")
        return position


class InvitationSlice(msgspec.Struct, frozen=True):
    """At most as many invitations as were requested, all from one page, and where the list continues."""

    start: Position
    nodes: list[InvitationV2]
    has_next: bool
    end: Position
    """Where the list continues after the last item."""

    def position_after(self, index: int) -> Position:
        """Return where the list continues after the item at this index."""
        if index == len(self.nodes) - 1:
            return self.end
        return Position(self.start.query, self.start.offset + index + 1)


def slice_page(
    page: InvitationPage, start: Position, first: int, collection: SplitResult, seen: Container[object] = ()
) -> InvitationSlice:
    """Return at most `first` items of the page that `start` requested.

    Raises ValueError if the page's next link leaves the collection, or leads back to this page or to one that was
    `seen`: following it would never end.
    """
    nodes = page.value[start.offset : start.offset + first]
    end = Position(start.query, start.offset + len(nodes))
    following = Position(_next_query(page.next_link, collection)) if page.next_link is not None else None
    if following is not None and (following.page() == start.page() or following.page() in seen):
        raise ValueError("a next link that leads back")
    if end.offset < len(page.value):
        return InvitationSlice(start, nodes, has_next=True, end=end)
    return InvitationSlice(start, nodes, has_next=following is not None, end=following or end)


def _next_query(link: str, collection: SplitResult) -> str:
    """Return the query of an `@odata.nextLink`, which must point to the collection itself.

    Raises ValueError if it has no query or points to another scheme, host, port or path.
    """
    parts = urlsplit(link)
    # Check the whole link: urlsplit silently drops tabs, line breaks and leading spaces.
    if not _is_query(link) or not parts.query or "@" in parts.netloc or _address(parts) != _address(collection):
        raise ValueError("a next link that leaves the collection")
    return parts.query


def _address(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path


def _is_query(text: str) -> bool:
    return bool(_QUERY.fullmatch(text)) and "#" not in text
