"""The operations of the invitations API: create, update, get and list.

Sources: Microsoft Graph's "Create invitations" and "Update invitations" pages and their siblings "List" and "Get".
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from gateway.errors import ErrorCode, Outcome, without_frames
from gateway.invitations.batch import Batch, Created
from gateway.invitations.caller import Caller
from gateway.invitations.correlation import Answer
from gateway.invitations.failures import InvitationsError, unaddressable
from gateway.invitations.model import InvitationV2, InvitationV2Body, decode_invitation, decode_page
from gateway.invitations.paging import InvitationSlice, Position, slice_page
from gateway.invitations.rest import Call, RestClient

Send: TypeAlias = Callable[[], Awaitable[InvitationV2]]
Read: TypeAlias = Callable[[str], Awaitable[InvitationV2 | None]]
Each: TypeAlias = Callable[[int, Send, Read], Awaitable[InvitationV2]]
"""Returns the invitation at an index: it sends it, or reads an earlier one by its id."""

COLLECTION = "/linkedIn/invitations"
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]+")
"""Characters that need no encoding (RFC 3986, section 2.3)."""

MAX_EMPTY_PAGES = 10
"""Maximum number of empty pages followed in one call, before the client has to ask for the next one itself."""


class InvitationsClient:
    """Holds the address of an invitations API and the timeout of its calls."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, url: str, timeout: float = 10.0, update_path: str = COLLECTION
    ) -> None:
        """`timeout` is in seconds and covers all attempts of a call. `update_path` is the path of updates, below `url`.

        If the path contains `{id}`, the invitation's id is sent there instead of in the body.
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
    """Calls the invitations API on behalf of one caller.

    Every call raises InvitationsError on failure; for a create or an update, its `outcome` says whether it was applied.
    """

    __slots__ = ("_api", "_caller")

    def __init__(self, api: InvitationsClient, caller: Caller) -> None:
        self._api = api
        self._caller = caller

    @property
    def caller(self) -> Caller:
        """The caller."""
        return self._caller

    def require_token(self) -> None:
        """Raise InvitationsError if the caller has no bearer token."""
        self._caller.headers()

    async def create(
        self, body: InvitationV2Body, *, once: bool = False, begin: Callable[[], None] | None = None
    ) -> InvitationV2:
        """Create an invitation (`POST`) and return it. See `Call` for `once` and `begin`."""

        def read(answer: Answer) -> InvitationV2:
            created = decode_invitation(answer.content)
            # A service may assign its own tracking id: trust it if the response is confirmed.
            if not answer.confirmed and created.tracking_id is not None and isinstance(body.tracking_id, str):
                answer.require(body.tracking_id, created.tracking_id)
            return created

        content = msgspec.json.encode(body)
        call = Call("POST", self._api.collection.path, self._caller, self._deadline(), content, once, begin)
        try:
            return await self._api.rest.send(call, read)
        except InvitationsError as error:
            raise error.with_tracking_id(body.tracking_id) from None

    async def create_all(self, bodies: Sequence[InvitationV2Body], each: Each | None = None) -> list[Created]:
        """Create invitations side by side (`POST`), and return each or its error, in their order.

        `each` decides whether one is sent, or read instead. Raises InvitationsError if there is no bearer token.
        """
        self._caller.headers()

        async def create(index: int, begin: Callable[[], None]) -> InvitationV2:
            async def send() -> InvitationV2:
                begin()
                return await self.create(bodies[index], once=True, begin=begin)

            async def read(id: str) -> InvitationV2 | None:
                begin()
                return await self.get(id, once=True, begin=begin)

            return await (each(index, send, read) if each else send())

        sleep = partial(self._api.rest.throttle.sleep, self._caller)
        return await Batch(create, bodies, self._api.timeout, sleep).run()

    async def update(self, id: str, changes: InvitationV2Body) -> InvitationV2:
        """Update an invitation (`PATCH`) and return it. Members missing from `changes` stay as they are."""
        deadline = self._deadline()
        segment = path_segment(id)
        if segment is None:
            self._caller.headers()  # a missing token is reported first
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

    async def get(self, id: str, *, once: bool = False, begin: Callable[[], None] | None = None) -> InvitationV2 | None:
        """Return an invitation (`GET`), or None if it does not exist. See `Call` for `once` and `begin`."""
        segment = path_segment(id)
        if segment is None:
            self._caller.headers()
            return None
        try:
            return await self._get(id, segment, self._deadline(), once=once, begin=begin)
        except InvitationsError as error:
            if error.code is ErrorCode.NOT_FOUND:
                without_frames(error)
                return None
            raise

    async def page(self, first: int, after: Position | None) -> InvitationSlice:
        """Return at most `first` invitations from `after` on (`GET`), all from one page.

        Follows at most `MAX_EMPTY_PAGES` empty pages that have a next link.
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

    async def _get(
        self,
        id: str,
        segment: str,
        deadline: float,
        *,
        once: bool = False,
        begin: Callable[[], None] | None = None,
    ) -> InvitationV2:
        path = f"{self._api.collection.path}/{segment}"
        call = Call("GET", path, self._caller, deadline, once=once, begin=begin)
        return await self._api.rest.send(call, lambda answer: _invitation(answer, id))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._api.timeout


def _invitation(answer: Answer, id: str) -> InvitationV2:
    """Return the invitation in a response, which must have this id."""
    found = decode_invitation(answer.content)
    answer.require(id, found.id)
    return found


def path_segment(id: str) -> str | None:
    """Return the id percent-encoded for a path, or None if it cannot be a path segment even then.

    URL libraries treat `.` and `..` as path steps however they are encoded (WHATWG URL, section 4.1).
    """
    if id in ("", ".", ".."):
        return None
    if _UNRESERVED.fullmatch(id):
        return id
    try:
        return quote(id, safe="")
    except UnicodeEncodeError:
        return None
