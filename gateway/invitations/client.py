"""The calls of the invitations API: create, update, get and list.

Sources: Microsoft Graph's pages "Create invitations" and "Update invitations" and their siblings "List" and "Get".
"""

import asyncio
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from gateway.errors import ErrorCode, Outcome
from gateway.invitations.caller import Caller
from gateway.invitations.correlation import Answer
from gateway.invitations.failures import InvitationsError, unaddressable
from gateway.invitations.model import InvitationV2, InvitationV2Body, decode_invitation, decode_page
from gateway.invitations.paging import InvitationSlice, Position, slice_page
from gateway.invitations.rest import Call, RestClient

COLLECTION = "/linkedIn/invitations"

MAX_EMPTY_PAGES = 10
"""Empty pages that one call follows before the caller is asked to go on by itself."""


class InvitationsClient:
    """The address of one invitations API, and the time that its calls may take."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, url: str, timeout: float = 10.0, update_path: str = COLLECTION
    ) -> None:
        """`timeout` is in seconds, for all tries of a call together. `update_path` is the path of updates in the API.

        Where the path has `{id}`, the id of the invitation stands there, and not in the body.
        """
        base = url.rstrip("/")
        self.rest = RestClient(transport, url=url)
        self.timeout = timeout
        self.collection = urlsplit(base + COLLECTION)
        self.update_path = urlsplit(base).path + update_path

    def for_caller(self, caller: Caller) -> "CallerClient":
        """Return a client that calls the API on behalf of this caller."""
        return CallerClient(self, caller)


class CallerClient:
    """The invitations API, called on behalf of one caller.

    Every call raises InvitationsError when it fails; for a create or an update, its outcome tells whether it was done.
    """

    __slots__ = ("_api", "_caller")

    def __init__(self, api: InvitationsClient, caller: Caller) -> None:
        self._api = api
        self._caller = caller

    async def create(self, body: InvitationV2Body) -> InvitationV2:
        """`POST` a new invitation."""

        def read(answer: Answer) -> InvitationV2:
            created = decode_invitation(answer.content)
            # A service that gives ids of its own is trusted where the answer says whose it is.
            if not answer.confirmed and created.tracking_id is not None and isinstance(body.tracking_id, str):
                answer.require(body.tracking_id, created.tracking_id)
            return created

        call = Call("POST", self._api.collection.path, self._caller, self._deadline(), msgspec.json.encode(body))
        try:
            return await self._api.rest.send(call, read)
        except InvitationsError as error:
            raise error.with_tracking_id(body.tracking_id) from None

    async def update(self, id: str, changes: InvitationV2Body) -> InvitationV2:
        """`PATCH` an invitation; what is not in the changes stays as it is."""
        deadline = self._deadline()
        segment = _path_segment(id)
        if segment is None:
            self._caller.headers()  # a missing token is the first thing to mend
            raise unaddressable()
        if "{id}" not in self._api.update_path:
            changes = msgspec.structs.replace(changes, id=id)
        path = self._api.update_path.replace("{id}", segment)
        updated = await self._api.rest.send(
            Call("PATCH", path, self._caller, deadline, msgspec.json.encode(changes)),
            lambda answer: None if answer.status == 204 else _invitation(answer, id),
        )
        if updated is not None:
            return updated
        try:
            return await self._get(id, segment, deadline)
        except InvitationsError as error:
            error.outcome = Outcome.APPLIED
            raise

    async def get(self, id: str) -> InvitationV2 | None:
        """`GET` an invitation; None where there is none."""
        segment = _path_segment(id)
        if segment is None:
            self._caller.headers()
            return None
        try:
            return await self._get(id, segment, self._deadline())
        except InvitationsError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise

    async def page(self, first: int, after: Position | None) -> InvitationSlice:
        """`GET` the list from `after` on: at most `first` invitations, all from one page.

        Empty pages that link on are followed, `MAX_EMPTY_PAGES` at most.
        """
        deadline = self._deadline()
        start = after or Position(f"$top={first}")
        seen: list[object] = []
        while True:
            found = await self._page(first, start, deadline, seen)
            if found.nodes or not found.has_next or len(seen) == MAX_EMPTY_PAGES:
                return found
            seen.append(start.page())
            start = found.end

    async def _page(self, first: int, start: Position, deadline: float, seen: list[object]) -> InvitationSlice:
        collection = self._api.collection
        return await self._api.rest.send(
            Call("GET", f"{collection.path}?{start.query}", self._caller, deadline),
            lambda answer: slice_page(decode_page(answer.content), start, first, collection, seen),
        )

    async def _get(self, id: str, segment: str, deadline: float) -> InvitationV2:
        call = Call("GET", f"{self._api.collection.path}/{segment}", self._caller, deadline)
        return await self._api.rest.send(call, lambda answer: _invitation(answer, id))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._api.timeout


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
