"""The sandbox over HTTP: authentication, routing and correlation headers."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes
from uuid import UUID, uuid4

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from gateway.sandbox.errors import GraphError, bad_request, not_found
from gateway.sandbox.operations import Operations
from gateway.sandbox.store import Store

# Not a secret: the sandbox accepts any bearer token
SANDBOX_TOKEN = "sandbox"  # noqa: S105

VERSION = "/v1.0"
BEARER = re.compile(r"bearer +\S+", re.IGNORECASE)
CHALLENGE = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'


def create_app(store: Store) -> Starlette:
    """Return the sandbox as an application. The caller closes the store."""
    return Starlette(routes=routes(store))


def routes(store: Store) -> list[BaseRoute]:
    """Return the routes that serve everything under `/v1.0`, for use in another application."""
    return [_GraphRoute(store)]


class _GraphRoute(BaseRoute):
    # Starlette's Route and Mount match the decoded path, where an id's `%2F` looks like a `/`.

    def __init__(self, store: Store) -> None:
        self._store = store

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return (Match.FULL if path.startswith(f"{VERSION}/") else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        correlation = _correlation(request)
        try:
            response = await _answer(request, self._store)
        except GraphError as error:
            response = error.response(correlation)
        except ClientDisconnect:
            return
        response.headers.update(correlation)
        await response(scope, receive, send)


async def _answer(request: Request, store: Store) -> Response:
    if not BEARER.fullmatch(request.headers.get("authorization", "")):
        message = "The header 'Authorization: Bearer {token}' is required."
        raise GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": CHALLENGE})
    prefix, segments = _split_path(request.scope["raw_path"])
    operations = Operations(store, request, f"{request.url.scheme}://{request.url.netloc}{prefix}{VERSION}")
    match request.method, segments:
        case "GET", ("linkedIn", "invitations"):
            return await operations.page()
        case "POST", ("linkedIn", "invitations"):
            return await operations.create()
        case "PATCH", ("linkedIn", "invitations"):
            return await operations.update()
        case "GET", ("linkedIn", "invitations", invitation_id):
            return await operations.get(invitation_id)
        case "PATCH", ("linkedIn", "invitations", invitation_id):
            return await operations.update(invitation_id)
        case _, ("linkedIn", "invitations"):
            raise _method_not_allowed("GET, PATCH, POST")
        case _, ("linkedIn", "invitations", _):
            raise _method_not_allowed("GET, PATCH")
    raise not_found(f"The resource '{'/'.join(segments)}'")


def _split_path(raw_path: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the part of a path before the version (a proxy's prefix), and the decoded segments after it."""
    prefix, _, rest = raw_path.partition(f"{VERSION}/".encode())
    try:
        return prefix.decode("latin-1"), tuple(unquote_to_bytes(segment).decode() for segment in rest.split(b"/"))
    except UnicodeDecodeError as error:
        raise bad_request("The path must be percent-encoded UTF-8.") from error


def _correlation(request: Request) -> Mapping[str, str]:
    request_id = str(uuid4())
    try:
        client_request_id = str(UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        client_request_id = request_id
    return {"request-id": request_id, "client-request-id": client_request_id}


def _method_not_allowed(allowed: str) -> GraphError:
    return GraphError(405, "MethodNotAllowed", f"The allowed methods are {allowed}.", {"Allow": allowed})
