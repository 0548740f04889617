"""Where a list goes on: Graph's `@odata.nextLink` on one side, an opaque cursor on the other.

A cursor holds the query of a page's request and a position in that page, and nothing else: whatever a link or a
client says, the next request goes to the configured host and path, and so does the bearer token.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Container
from urllib.parse import SplitResult, unquote_plus, urlsplit

import msgspec

from gateway.invitations.model import InvitationPage, InvitationV2

MAX_QUERY = 4096
"""Characters of a page's query, or of the link to it.

More than any `$skiptoken` seen, less than what servers accept in a request line.
"""

_QUERY = re.compile(rf"[!-~]{{1,{MAX_QUERY}}}", re.ASCII)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_cursor_decoder = msgspec.json.Decoder(tuple[str, int])


class Position(msgspec.Struct, frozen=True):
    """A place in a list: the query that gives a page, and how many items of that page come before."""

    query: str
    offset: int = 0

    def page(self) -> list[str]:
        """Return what tells the page from others, however its query is encoded and ordered."""
        return sorted(unquote_plus(self.query).split("&"))

    def cursor(self) -> str:
        """Return the position as an opaque text."""
        return urlsafe_b64encode(msgspec.json.encode((self.query, self.offset))).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str) -> "Position":
        """Read what `cursor` made. Raises ValueError for anything else."""
        content = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = cls(*_cursor_decoder.decode(content))
        if position.cursor() != cursor or position.offset < 0 or not _is_query(position.query):
            raise ValueError("not a cursor")
        return position


class InvitationSlice(msgspec.Struct, frozen=True):
    """At most as many invitations as were asked for, out of one page, and where the list goes on."""

    start: Position
    nodes: list[InvitationV2]
    has_next: bool
    end: Position
    """Where the items behind the last one are."""

    def position_after(self, index: int) -> Position:
        """Return where the list goes on behind the item with that index."""
        if index == len(self.nodes) - 1:
            return self.end
        return Position(self.start.query, self.start.offset + index + 1)


def slice_page(
    page: InvitationPage, start: Position, first: int, collection: SplitResult, seen: Container[object] = ()
) -> InvitationSlice:
    """Take at most `first` items of the page that `start` asked for.

    Raises ValueError when the page's link leaves the collection, or leads to itself or to a page that was `seen`: who
    followed it would never come to an end.
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
    """Return the query of a `@odata.nextLink`, which must lead to the collection itself.

    Raises ValueError when it has no query or leads to another scheme, host, port or path.
    """
    parts = urlsplit(link)
    # The whole link is looked at: urlsplit drops tabs, line breaks and spaces before it without a word.
    if not _is_query(link) or not parts.query or "@" in parts.netloc or _address(parts) != _address(collection):
        raise ValueError("a next link that leaves the collection")
    return parts.query


def _address(parts: SplitResult) -> tuple[str, str | None, int | None, str]:
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path


def _is_query(text: str) -> bool:
    return bool(_QUERY.fullmatch(text)) and "#" not in text
