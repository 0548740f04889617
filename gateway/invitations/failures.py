"""From what came back, or did not come back, to the error that a frontend is told.

What is shown is an allow-list: the status, Graph's error code when it is a plain token, the two request ids,
`Retry-After` and a claims challenge. Graph's `message`, other headers and the body never are: Graph's error page says
not to depend on the message, and it can hold what the caller must not see.
"""

import re

import httpx
import msgspec

from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.invitations.retries import CONNECTION_LOST, retry_after

CERTAINLY_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What a transport raises before one byte of the request has left: shown by the tests with real sockets."""

_CODES = {
    400: ErrorCode.BAD_USER_INPUT,
    401: ErrorCode.UNAUTHENTICATED,
    403: ErrorCode.FORBIDDEN,
    404: ErrorCode.NOT_FOUND,
    409: ErrorCode.CONFLICT,
    410: ErrorCode.NOT_FOUND,
    412: ErrorCode.CONFLICT,
    422: ErrorCode.BAD_USER_INPUT,
    429: ErrorCode.RATE_LIMITED,
    502: ErrorCode.UPSTREAM_UNAVAILABLE,
    503: ErrorCode.UPSTREAM_UNAVAILABLE,
    504: ErrorCode.UPSTREAM_TIMEOUT,
}

_TEXTS = {
    ErrorCode.BAD_USER_INPUT: "The invitations API refused the request as malformed.",
    ErrorCode.UNAUTHENTICATED: "The invitations API does not accept the bearer token.",
    ErrorCode.FORBIDDEN: "The bearer token does not permit this.",
    ErrorCode.NOT_FOUND: "There is no such invitation.",
    ErrorCode.CONFLICT: "The invitation is in a state that conflicts with the request.",
    ErrorCode.RATE_LIMITED: "The invitations API asks for fewer requests.",
    ErrorCode.UPSTREAM_UNAVAILABLE: "The invitations API cannot be reached or is not available.",
    ErrorCode.UPSTREAM_TIMEOUT: "The invitations API did not answer in time.",
    ErrorCode.UPSTREAM_ERROR: "The invitations API answered with an unexpected status.",
    ErrorCode.UPSTREAM_INVALID_RESPONSE: "The invitations API gave an answer that cannot be used.",
}

_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{1,128}", re.ASCII)
_CLAIMS = re.compile(r'\bclaims="((?:[^"\\]|\\.){1,8192})"', re.ASCII | re.IGNORECASE)


class InvitationsError(GatewayError):
    """A call of the invitations API that failed."""

    def __init__(self, code: ErrorCode, outcome: Outcome, message: str = "", **details: str | int | None) -> None:
        super().__init__(code, message or _TEXTS[code], **details)
        self.outcome = outcome
        """What became of the request, were it a mutation."""

    def with_outcome(self) -> "InvitationsError":
        """Return the error of a mutation: one that shows the client its outcome."""
        self.extensions["outcome"] = self.outcome.value
        return self


class _InnerError(msgspec.Struct):
    request_id: str | None = msgspec.field(default=None, name="request-id")


class _Error(msgspec.Struct):
    code: str | None = None
    inner_error: _InnerError | None = msgspec.field(default=None, name="innerError")
    innererror: _InnerError | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error


def answered(response: httpx.Response, content: bytes, client_request_id: str) -> InvitationsError:
    """Return the error for an answer whose status is no success; for a mutation it tells the outcome as well."""
    status = response.status_code
    graph = _graph_error(content)
    inner = graph.inner_error or graph.innererror or _InnerError()
    return InvitationsError(
        _CODES.get(status, ErrorCode.UPSTREAM_ERROR),
        Outcome.NOT_APPLIED if 400 <= status < 500 else Outcome.UNKNOWN,
        status=status,
        upstreamCode=_plain(graph.code),
        requestId=_plain(response.headers.get("request-id") or inner.request_id),
        clientRequestId=client_request_id,
        retryAfter=retry_after(response.headers),
        claims=_claims(response) if status == 401 else None,
    )


def unusable(response: httpx.Response, client_request_id: str) -> InvitationsError:
    """Return the error for a success that is not what the API documents."""
    return InvitationsError(
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        Outcome.APPLIED,
        status=response.status_code,
        requestId=_plain(response.headers.get("request-id")),
        clientRequestId=client_request_id,
    )


def unanswered(error: httpx.TransportError, client_request_id: str) -> InvitationsError:
    """Return the error for a request that got no whole answer."""
    if isinstance(error, httpx.TimeoutException):
        code = ErrorCode.UPSTREAM_TIMEOUT
    elif isinstance(error, (httpx.ConnectError, *CONNECTION_LOST)):
        code = ErrorCode.UPSTREAM_UNAVAILABLE
    else:
        code = ErrorCode.UPSTREAM_INVALID_RESPONSE
    sent = not isinstance(error, CERTAINLY_NOT_SENT)
    return InvitationsError(
        code,
        Outcome.UNKNOWN if sent else Outcome.NOT_APPLIED,
        clientRequestId=client_request_id if sent else None,
    )


def unauthenticated() -> InvitationsError:
    """Return the error for a request that brings no bearer token; no request is made for it."""
    return InvitationsError(
        ErrorCode.UNAUTHENTICATED,
        Outcome.NOT_APPLIED,
        "A bearer token is required: send the header `Authorization: Bearer <token>`.",
    )


def _graph_error(content: bytes) -> _Error:
    try:
        return msgspec.json.decode(content, type=_ErrorBody).error
    except (ValueError, RecursionError):
        return _Error()


def _plain(value: str | None) -> str | None:
    return value if value and _PLAIN_TOKEN.fullmatch(value) else None


def _claims(response: httpx.Response) -> str | None:
    found = _CLAIMS.search(response.headers.get("www-authenticate", ""))
    if not found:
        return None
    claims = re.sub(r"\\(.)", r"\1", found[1])
    return claims if claims.isprintable() else None
