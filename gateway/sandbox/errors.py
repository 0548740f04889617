"""How the sandbox refuses: Microsoft Graph's error body, and the refusals that a caller can provoke."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec
from starlette.responses import Response

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class GraphError(Exception):
    """A request that is answered with an HTTP status and an error body instead of an invitation.

    The body has the shape that Microsoft Graph documents under "Error responses and resource types".
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self, correlation: Mapping[str, str]) -> Response:
        """Make the answer; `correlation` holds the ids of the request that are repeated in the body."""
        inner = {"date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", **correlation}
        body = {"error": {"code": self.code, "message": self.message, "innerError": inner}}
        return Response(msgspec.json.encode(body), self.status, self.headers, "application/json")


def bad_request(message: str) -> GraphError:
    """Make the refusal of a request whose content is wrong; the message says what would be right."""
    return GraphError(400, "BadRequest", message)


def not_found(what: str) -> GraphError:
    """Make the refusal of a request for something that does not exist."""
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
"""A request that names one of these as an invitation's `id` or `invitee` is refused like this, so that a
frontend's handling of it can be seen."""


def refuse_if_provoked(*values: object) -> None:
    """Raise the GraphError that PROVOKED has for the first value that it knows."""
    for value in values:
        if isinstance(value, str) and value in PROVOKED:
            raise GraphError(*PROVOKED[value])
