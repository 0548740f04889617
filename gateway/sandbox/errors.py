"""The sandbox's errors: Microsoft Graph's error body, and the errors that a caller can provoke."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import time_ns
from types import MappingProxyType

import msgspec
from starlette.responses import Response

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class GraphError(Exception):
    """An error response with an HTTP status and a body.

    The body has the format in Microsoft Graph's "Error responses and resource types".
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self, correlation: Mapping[str, str]) -> Response:
        """Return the response; `correlation` has the request's ids, which the body repeats."""
        inner = {"date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", **correlation}
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        return Response(msgspec.json.encode(body), self.status, self.headers, "application/json")


def bad_request(message: str) -> GraphError:
    """Return the error for invalid content; the message says what would be valid."""
    return GraphError(400, "BadRequest", message)


def not_found(what: str) -> GraphError:
    """Return the error for something that does not exist."""
    return GraphError(404, "ResourceNotFound", f"{what} does not exist.")


# base64 of {"access_token":{"nbf":{"essential":true,"value":"1767225600"}}}: sign in again after that time
CLAIMS = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzY3MjI1NjAwIn19fQ=="

PROVOKED: Mapping[str, tuple[int, str, str, Mapping[str, str]]] = MappingProxyType(
    {
        "urn:li:sandbox:forbidden": (403, "Forbidden", "The token lacks a required permission.", {}),
        "urn:li:sandbox:throttled": (429, "TooManyRequests", "Too many requests.", {"Retry-After": "2"}),
        "urn:li:sandbox:unavailable": (503, "ServiceUnavailable", "The service is unavailable.", {}),
        "urn:li:sandbox:claims": (
            401,
            "InvalidAuthenticationToken",
            "The resource requires additional claims.",
            {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{CLAIMS}"'},
        ),
    }
)
"""Errors for requests that use one of these as `id` or `invitee`, to test a frontend's error handling."""
THROTTLED_AT_FIRST = "urn:li:sandbox:throttled-at-first"
"""The `invitee` of a create that is throttled until `THROTTLED_MS` after its `created`, and then succeeds."""
THROTTLED_MS = 1500
LOST = "urn:li:sandbox:lost"
"""The `invitee` of a create that succeeds, but whose response is lost on its way."""


def refuse_if_provoked(*values: object) -> None:
    """Raise the GraphError for the first value that is in PROVOKED."""
    for value in values:
        if isinstance(value, str) and value in PROVOKED:
            raise GraphError(*PROVOKED[value])


def refuse_if_throttled(invitee: str | None, created: int | None) -> None:
    """Raise the GraphError for an invitation that is throttled at first, if it is still too early."""
    if invitee == THROTTLED_AT_FIRST and created is not None and time_ns() // 1_000_000 < created + THROTTLED_MS:
        raise GraphError(*PROVOKED["urn:li:sandbox:throttled"])


def lose_if_provoked(invitee: str | None) -> None:
    """Raise the GraphError of a proxy that lost the response to a create."""
    if invitee == LOST:
        raise GraphError(504, "GatewayTimeout", "The response was lost.")
