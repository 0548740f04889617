"""The operations on invitations: list, create, get and update."""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.sandbox import model
from gateway.sandbox.errors import (
    NO_HEADERS,
    GraphError,
    bad_request,
    lose_if_provoked,
    not_found,
    refuse_if_provoked,
    refuse_if_throttled,
)
from gateway.sandbox.store import Store, StoreError, StoreLocked

PATH = "linkedIn/invitations"
# As Graph sends it
CONTENT_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

# Maximum bytes of a request: Graph's own limit
BODY_LIMIT = 4 * 1024 * 1024
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
TOP = re.compile(r"[1-9][0-9]{0,8}")
POSITION_BYTES = 8
# Seconds to wait for a file that another process has locked, and between two attempts
LOCK_LIMIT = 2.0
LOCK_PAUSE = 0.02

T = TypeVar("T")


class Operations:
    """The operations for one request; `root` is the absolute base URL of the API.

    They raise GraphError if the request cannot be fulfilled.
    SQLite is called on the event loop's thread: a read takes microseconds and a write one disk sync, so for one
    developer's requests a thread pool is not worth it.
    """

    def __init__(self, store: Store, request: Request, root: str) -> None:
        self._store = store
        self._request = request
        self._collection_url = f"{root}/{PATH}"
        self._context = f"{root}/$metadata#{PATH}"

    async def page(self) -> Response:
        """Return a page in order of creation, with a link to the next: `GET /linkedIn/invitations`."""
        size, after = self._paging()
        found = await _unlocked(lambda: self._store.page(after, size))
        body = {"@odata.context": self._context, "value": [msgspec.Raw(document) for document in found.documents]}
        if found.next is not None:
            query = urlencode({"$top": size, "$skiptoken": _skiptoken(found.next)}, safe="$")
            body["@odata.nextLink"] = f"{self._collection_url}?{query}"
        return _answer(200, msgspec.json.encode(body))

    async def get(self, invitation_id: str) -> Response:
        """Return an invitation: `GET /linkedIn/invitations/{id}`."""
        refuse_if_provoked(invitation_id)
        document = await _unlocked(lambda: self._store.get(invitation_id))
        return self._entity(200, invitation_id, document)

    async def create(self) -> Response:
        """Create an invitation and return it: `POST /linkedIn/invitations`."""
        invitation = model.created(await self._body(), str(uuid4()))
        refuse_if_provoked(invitation.id, invitation.invitee)
        refuse_if_throttled(invitation.invitee, invitation.created)
        document = await _unlocked(lambda: self._store.insert(invitation))
        if document is None:
            raise GraphError(409, "Conflict", "An invitation with this ID already exists.")
        lose_if_provoked(invitation.invitee)
        location = {"Location": f"{self._collection_url}/{quote(invitation.id, safe='')}"}
        return self._entity(201, invitation.id, document, location)

    async def update(self, invitation_id: str | None = None) -> Response:
        """Update an invitation and return it: `PATCH /linkedIn/invitations`, with or without `/{id}`."""
        changes = await self._body()
        named = changes.get("id", invitation_id)
        if not isinstance(named, str) or not named:
            raise bad_request("The property 'id' must be the ID of the invitation to update.")
        if invitation_id not in {None, named}:
            raise bad_request("The property 'id' cannot be changed: omit it, or send the ID in the path.")
        refuse_if_provoked(named, changes.get("invitee"))
        document = await _unlocked(lambda: self._store.update(named, lambda before: model.updated(before, changes)))
        return self._entity(200, named, document)

    def _paging(self) -> tuple[int, int]:
        options = self._request.query_params
        unsupported = [name for name in options if name.startswith("$") and name not in {"$top", "$skiptoken"}]
        if unsupported:
            raise bad_request(f"The query option '{unsupported[0]}' is not supported.")
        top = options.get("$top", str(DEFAULT_PAGE_SIZE))
        if not TOP.fullmatch(top):
            raise bad_request("The query option '$top' must be a positive integer.")
        token = options.get("$skiptoken")
        return min(int(top), MAX_PAGE_SIZE), 0 if token is None else _position(token)

    async def _body(self) -> dict[str, object]:
        media_type = self._request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise GraphError(415, "UnsupportedMediaType", "The Content-Type must be application/json.")
        body = bytearray()
        async for chunk in self._request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise GraphError(413, "RequestEntityTooLarge", f"The body must not exceed {BODY_LIMIT} bytes.")
        return model.parse(bytes(body))

    def _entity(
        self, status: int, invitation_id: str, document: bytes | None, headers: Mapping[str, str] = NO_HEADERS
    ) -> Response:
        if document is None:
            raise not_found(f"The invitation '{invitation_id}'")
        context = msgspec.json.encode(f"{self._context}/$entity")
        # The stored JSON is an object with at least an id, so the annotation can be inserted without decoding.
        return _answer(status, b'{"@odata.context":' + context + b"," + document[1:], headers)


async def _unlocked(call: Callable[[], T]) -> T:
    """Return the result of a call of the store, retried without blocking while another process locks the file."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LOCK_LIMIT
    while True:
        try:
            return call()
        except StoreLocked:
            if loop.time() >= until:
                message = "Another process has locked the sandbox's file. Close it there."
                raise GraphError(503, "ServiceUnavailable", message, {"Retry-After": "1"}) from None
        except StoreError as error:
            raise GraphError(507, "InsufficientStorage", f"The sandbox {error}.") from None
        await asyncio.sleep(LOCK_PAUSE)


def _answer(status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    return Response(body, status, {"Content-Type": CONTENT_TYPE, **headers})


def _skiptoken(position: int) -> str:
    return base64.urlsafe_b64encode(position.to_bytes(POSITION_BYTES, "big")).decode().rstrip("=")


def _position(token: str) -> int:
    try:
        decoded = base64.b64decode(f"{token}=", altchars=b"-_", validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) != POSITION_BYTES:
        raise bad_request("The query option '$skiptoken' must come from an '@odata.nextLink'.")
    return int.from_bytes(decoded, "big", signed=True)
