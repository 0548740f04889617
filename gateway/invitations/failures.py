"""Turns a failed or missing response into the error that a frontend sees.

Errors show an allow-list: the status, Graph's error code if it is a plain token, the two request ids, `Retry-After`,
a claims challenge, and the `trackingId` that the caller's own create sent. They never show Graph's `message`, other
headers or the body.
"""

import re
from math import ceil

import httpx

from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.invitations.graph_error import GraphError, plain_token
from gateway.invitations.retries import CONNECTION_LOST, Retry, retry_after

CERTAINLY_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)
"""Errors that the transport raises before it writes the first byte of the request."""

MAX_TRACKING_ID = 1000
"""Maximum characters of a `trackingId` in errors: a longer one comes from the client, which knows it."""

_STATUSES: dict[int, tuple[ErrorCode, str]] = {
    400: (ErrorCode.BAD_USER_INPUT, "The invitations API rejected the request as invalid. Check the input."),
    401: (ErrorCode.UNAUTHENTICATED, "The invitations API rejected the bearer token. Get a new one."),
    403: (ErrorCode.FORBIDDEN, "The bearer token does not allow this operation."),
    404: (ErrorCode.NOT_FOUND, "The invitation was not found."),
    409: (ErrorCode.CONFLICT, "The request conflicts with the state of the invitation. Read it before you try again."),
    410: (ErrorCode.NOT_FOUND, "The invitation no longer exists."),
    412: (ErrorCode.CONFLICT, "The request conflicts with the state of the invitation. Read it before you try again."),
    422: (ErrorCode.BAD_USER_INPUT, "The invitations API rejected the request as invalid. Check the input."),
    429: (ErrorCode.RATE_LIMITED, "The invitations API is throttling requests. Send fewer."),
    502: (ErrorCode.UPSTREAM_UNAVAILABLE, "The invitations API is unavailable."),
    503: (ErrorCode.UPSTREAM_UNAVAILABLE, "The invitations API is unavailable."),
    504: (ErrorCode.UPSTREAM_TIMEOUT, "The invitations API did not respond in time."),
    509: (ErrorCode.RATE_LIMITED, "The invitations API is throttling requests. Send fewer."),
}
_CLASSES: dict[int, tuple[ErrorCode, str]] = {
    3: (ErrorCode.UPSTREAM_ERROR, "The invitations API responded with a redirect, which the gateway does not follow."),
    4: (ErrorCode.UPSTREAM_ERROR, "The invitations API rejected the request."),
    5: (ErrorCode.UPSTREAM_ERROR, "The invitations API failed."),
}
_UNKNOWN_CLASS = (ErrorCode.UPSTREAM_ERROR, "The invitations API responded with an unknown status.")

_CLAIMS = re.compile(r'\bclaims="((?:[^"\\]|\\.){1,8192})"', re.ASCII | re.IGNORECASE)
_INSUFFICIENT_CLAIMS = re.compile(r'\berror="?insufficient_claims\b', re.ASCII | re.IGNORECASE)


class InvitationsError(GatewayError):
    """A failed call of the invitations API."""

    def __init__(
        self, code: ErrorCode, message: str, outcome: Outcome, *, sent: bool = True, **details: str | int | None
    ) -> None:
        super().__init__(code, message, outcome, **details)
        self.sent = sent
        """Whether the request was sent, or may have been."""
        self.retry: Retry | None = None
        """How a request that failed may be repeated, if at all."""

    def with_tracking_id(self, sent: object) -> "InvitationsError":
        """Return the error of a create, with its `trackingId` to look for if it may have been sent."""
        if self.sent and (shown := shown_tracking_id(sent)) is not None:
            self.extensions["trackingId"] = shown
        return self


def shown_tracking_id(sent: object) -> str | None:
    """Return the `trackingId` of a create as errors show it: None if it has none, or a long one."""
    return sent if isinstance(sent, str) and len(sent) <= MAX_TRACKING_ID else None


def answered(response: httpx.Response, graph: GraphError, client_request_id: str) -> InvitationsError:
    """Return the error for a status that is not a success, with the outcome of a mutation."""
    status = response.status_code
    headers = response.headers
    code, message = _STATUSES.get(status) or _CLASSES.get(status // 100, _UNKNOWN_CLASS)
    return InvitationsError(
        code,
        message,
        # A 408 may be about the time before the request, which the server may have processed nevertheless.
        Outcome.NOT_APPLIED if 400 <= status < 500 and status != 408 else Outcome.UNKNOWN,
        status=status,
        upstreamCode=graph.code,
        requestId=plain_token(headers.get("request-id")) or graph.request_id,
        clientRequestId=client_request_id,
        retryAfter=retry_after(headers),
        claims=_claims(status, headers.get("www-authenticate", "")),
    )


def unusable(response: httpx.Response, client_request_id: str) -> InvitationsError:
    """Return the error for a success whose response is not what the API documents."""
    return InvitationsError(
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "The invitations API returned an invalid response.",
        Outcome.APPLIED,
        status=response.status_code,
        requestId=plain_token(response.headers.get("request-id")),
        clientRequestId=client_request_id,
    )


def foreign(client_request_id: str) -> InvitationsError:
    """Return the error for a request that received another's response, which is not shown."""
    return InvitationsError(
        ErrorCode.UPSTREAM_INVALID_RESPONSE,
        "The invitations API returned the response to another request.",
        Outcome.UNKNOWN,
        clientRequestId=client_request_id,
    )


def unanswered(error: httpx.TransportError, client_request_id: str) -> InvitationsError:
    """Return the error for a request without a complete response."""
    if isinstance(error, httpx.TimeoutException):
        code, message = ErrorCode.UPSTREAM_TIMEOUT, "The invitations API did not respond in time."
    elif isinstance(error, (httpx.ConnectError, *CONNECTION_LOST)):
        code, message = ErrorCode.UPSTREAM_UNAVAILABLE, "The connection to the invitations API failed."
    else:
        code, message = ErrorCode.UPSTREAM_INVALID_RESPONSE, "The invitations API returned an invalid response."
    sent = not isinstance(error, CERTAINLY_NOT_SENT)
    return InvitationsError(
        code,
        message,
        Outcome.UNKNOWN if sent else Outcome.NOT_APPLIED,
        sent=sent,
        clientRequestId=client_request_id if sent else None,
    )


def unauthenticated() -> InvitationsError:
    """Return the error for a request without a bearer token; the API is not called."""
    return InvitationsError(
        ErrorCode.UNAUTHENTICATED,
        "A bearer token is required: send the header `Authorization: Bearer <token>`.",
        Outcome.NOT_APPLIED,
        sent=False,
    )


def throttled(seconds: float, *, sent: bool) -> InvitationsError:
    """Return the error for a request of a caller whom the API throttles for these seconds; the API is not called.

    `sent` is whether an earlier attempt was sent.
    """
    error = InvitationsError(
        ErrorCode.RATE_LIMITED,
        "The invitations API is throttling requests of this user. Wait for `retryAfter` seconds.",
        Outcome.NOT_APPLIED,
        sent=sent,
        retryAfter=ceil(seconds),
    )
    error.retry = Retry(unprocessed=True, at_least=seconds)
    return error


def unaddressable() -> InvitationsError:
    """Return the error for an update of an id that no invitation can have; the API is not called."""
    _, message = _STATUSES[404]
    return InvitationsError(ErrorCode.NOT_FOUND, message, Outcome.NOT_APPLIED, sent=False)


def _claims(status: int, challenge: str) -> str | None:
    """Return the claims challenge of a 401, or of a 403 for insufficient claims (Conditional Access), if any."""
    if status != 401 and not (status == 403 and _INSUFFICIENT_CLAIMS.search(challenge)):
        return None
    found = _CLAIMS.search(challenge)
    if not found:
        return None
    claims = re.sub(r"\\(.)", r"\1", found[1])
    return claims if claims.isprintable() else None
