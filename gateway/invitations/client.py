"""The calls of the invitations API: create, update, get and list.

Sources: Microsoft Graph's pages "Create invitations" and "Update invitations" and their siblings "List" and "Get".
"""

import asyncio
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from gateway.errors import ErrorCode, Outcome
from gateway.invitations.correlation import Answer
from gateway.invitations.failures import InvitationsError, unaddressable
from gateway.invitations.model import InvitationV2, InvitationV2Body, decode_invitation, decode_page
from gateway.invitations.paging import InvitationSlice, Position, slice_page
from gateway.invitations.rest import Call, RestClient, bearer

COLLECTION = "/linkedIn/invitations"

MAX_EMPTY_PAGES = 10
"""Empty pages that one call follows before the caller is asked to go on by itself."""


class InvitationsClient:
    """Speaks to one invitations API on behalf of the callers whose `Authorization` it is given.

    Every call raises InvitationsError when it fails; the error of a create or update tells the outcome.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, url: str, timeout: float = 10.0, update_path: str = COLLECTION
    ) -> None:
        """Take the API's base URL, the seconds that one call may last, all tries together, and the path of updates."""
        self._rest = RestClient(transport, url=url)
        self._timeout = timeout
        base = url.rstrip("/")
        self._collection = urlsplit(base + COLLECTION)
        self._update_path = urlsplit(base).path + update_path

    async def create(self, body: InvitationV2Body, authorization: str | None) -> InvitationV2:
        """`POST` a new invitation."""

        def read(answer: Answer) -> InvitationV2:
            created = decode_invitation(answer.content)
            # A service that gives ids of its own is trusted where the answer says whose it is.
            if not answer.confirmed and created.tracking_id is not None and isinstance(body.tracking_id, str):
                answer.require(body.tracking_id, created.tracking_id)
            return created

        try:
            call = Call("POST", self._collection.path, authorization, self._deadline(), msgspec.json.encode(body))
            return await self._rest.send(call, read)
        except InvitationsError as error:
            raise error.with_outcome().with_tracking_id(body.tracking_id) from None

    async def update(self, id: str, changes: InvitationV2Body, authorization: str | None) -> InvitationV2:
        """`PATCH` an invitation; what is not in the changes stays as it is."""
        try:
            return await self._update(id, changes, authorization)
        except InvitationsError as error:
            raise error.with_outcome() from None

    async def get(self, id: str, authorization: str | None) -> InvitationV2 | None:
        """`GET` an invitation; None where there is none."""
        segment = _path_segment(id)
        if segment is None:
            bearer(authorization)
            return None
        try:
            return await self._get(id, segment, authorization, self._deadline())
        except InvitationsError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise

    async def page(self, first: int, after: Position | None, authorization: str | None) -> InvitationSlice:
        """`GET` the list from `after` on: at most `first` invitations, all from one page.

        Empty pages that link on are followed, `MAX_EMPTY_PAGES` at most.
        """
        deadline = self._deadline()
        start = after or Position(f"$top={first}")
        seen: list[object] = []
        while True:
            found = await self._page(first, start, authorization, deadline, seen)
            if found.nodes or not found.has_next or len(seen) == MAX_EMPTY_PAGES:
                return found
            seen.append(start.page())
            start = found.end

    async def _page(
        self, first: int, start: Position, authorization: str | None, deadline: float, seen: list[object]
    ) -> InvitationSlice:
        target = f"{self._collection.path}?{start.query}"
        return await self._rest.send(
            Call("GET", target, authorization, deadline),
            lambda answer: slice_page(decode_page(answer.content), start, first, self._collection, seen),
        )

    async def _update(self, id: str, changes: InvitationV2Body, authorization: str | None) -> InvitationV2:
        deadline = self._deadline()
        segment = _path_segment(id)
        if segment is None:
            bearer(authorization)
            raise unaddressable()
        if "{id}" not in self._update_path:
            changes = msgspec.structs.replace(changes, id=id)
        path = self._update_path.replace("{id}", segment)
        updated = await self._rest.send(
            Call("PATCH", path, authorization, deadline, msgspec.json.encode(changes)),
            lambda answer: None if answer.status == 204 else _invitation(answer, id),
        )
        if updated is not None:
            return updated
        try:
            return await self._get(id, segment, authorization, deadline)
        except InvitationsError as error:
            error.outcome = Outcome.APPLIED
            raise

    async def _get(self, id: str, segment: str, authorization: str | None, deadline: float) -> InvitationV2:
        call = Call("GET", f"{self._collection.path}/{segment}", authorization, deadline)
        return await self._rest.send(call, lambda answer: _invitation(answer, id))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout


def _invitation(answer: Answer, id: str) -> InvitationV2:
    """Read the invitation with that id."""
    found = decode_invitation(answer.content)
    answer.require(id, found.id)
    return found


def _path_segment(id: str) -> str | None:
    """Percent-encode an id for a path; None when it cannot be a segment of one even so.

    URL libraries take `.` and `..` for path steps in every spelling (WHATWG URL, section 4.1).
    """
    if id in ("", ".", ".."):
        return None
    try:
        return quote(id, safe="")
    except UnicodeEncodeError:
        return None
