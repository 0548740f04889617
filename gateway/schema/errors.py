"""The errors of single invitations, with the same values as the `extensions` of GraphQL errors."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any

import msgspec
import strawberry

from gateway.errors import ErrorCode, GatewayError, Outcome

_CODES: Mapping[ErrorCode, str] = {
    ErrorCode.GRAPHQL_PARSE_FAILED: "The document has a syntax error.",
    ErrorCode.GRAPHQL_VALIDATION_FAILED: "The document does not match the schema, or exceeds a limit.",
    ErrorCode.BAD_REQUEST: "The HTTP request or the choice of operation is invalid.",
    ErrorCode.BAD_USER_INPUT: "The gateway refused the variables or arguments, or the REST API returned 400 or 422.",
    ErrorCode.ANSWER_TOO_LARGE: "The operation ran, but its response is too large.",
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: "A persisted query came without its text.",
    ErrorCode.OVERLOADED: "The gateway is overloaded. Nothing was executed.",
    ErrorCode.UNAUTHENTICATED: "There is no bearer token, or the REST API returned 401.",
    ErrorCode.FORBIDDEN: "The REST API returned 403: the bearer token does not allow this operation.",
    ErrorCode.NOT_FOUND: "The REST API returned 404 or 410: the invitation does not exist.",
    ErrorCode.CONFLICT: "The REST API returned 409 or 412: the request conflicts with the state of the invitation.",
    ErrorCode.RATE_LIMITED: "The REST API is throttling requests of this user: it returned 429 or 509, now or earlier.",
    ErrorCode.UPSTREAM_UNAVAILABLE: "No connection to the REST API, a lost connection, or the API returned 502 or 503.",
    ErrorCode.UPSTREAM_TIMEOUT: "The REST API did not respond in time, or returned 504.",
    ErrorCode.UPSTREAM_ERROR: "The REST API returned another status that is not a success.",
    ErrorCode.UPSTREAM_INVALID_RESPONSE: "The REST API returned a response that cannot be used.",
    ErrorCode.IDEMPOTENCY_KEY_REUSED: "The idempotency key was used for another mutation or input. Nothing was sent.",
    ErrorCode.IDEMPOTENCY_IN_PROGRESS: "A request with this idempotency key is still running. Send it again later.",
    ErrorCode.IDEMPOTENCY_UNKNOWN: (
        "An earlier request with this idempotency key may have been applied. Nothing was sent again."
    ),
    ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE: "The store of idempotency keys failed. Nothing was sent.",
    ErrorCode.INTERNAL_SERVER_ERROR: "The gateway has a bug.",
}
_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.NOT_APPLIED: "This request did not apply it: it was not sent, or it was refused. It is safe to send it "
    "again, with the same idempotency key if it had one: an earlier request with that key may have been applied.",
    Outcome.UNKNOWN: "It may have been applied. With an idempotency key, send it again with the same key, "
    "and check if the answer is still `UNKNOWN`; without one, check before you send it again.",
    Outcome.APPLIED: "It succeeded, but the response could not be used. Do not send it again.",
}


def _described(values: type[StrEnum], meanings: Mapping[Any, str], description: str) -> Any:
    """Return the GraphQL enum with these values. Raises KeyError if one has no meaning."""
    members = {it.name: strawberry.enum_value(it.value, description=meanings[it]) for it in values}
    return strawberry.enum(Enum(values.__name__, members), description=description)  # type: ignore[call-overload]


_CODE = _described(ErrorCode, _CODES, "What went wrong: `code` in the `extensions` of errors, too. Branch on it.")
_OUTCOME = _described(
    Outcome, _OUTCOMES, "Whether a failed mutation was applied: `outcome` in the `extensions` of errors, too."
)


class Failure(msgspec.Struct, frozen=True, rename="camel"):
    """The value of an `InvitationError`: the message and the extensions of an error."""

    code: ErrorCode
    outcome: Outcome
    message: str
    status: int | None = None
    upstream_code: str | None = None
    retry_after: int | None = None
    claims: str | None = None
    tracking_id: str | None = None
    request_id: str | None = None
    client_request_id: str | None = None


def failure(error: GatewayError) -> Failure:
    """Return what clients see of an error."""
    outcome = error.outcome or Outcome.UNKNOWN
    return msgspec.convert({**error.extensions, "outcome": outcome, "message": str(error)}, Failure)


@strawberry.type(description="Why an invitation was not created. It has what the `extensions` of an error have.")
class InvitationError:
    """An error of one of several invitations."""

    code: ErrorCode = strawberry.field(graphql_type=_CODE, description="What went wrong.")
    outcome: Outcome = strawberry.field(
        graphql_type=_OUTCOME, description="Whether it was applied, and so whether it is safe to send it again."
    )
    message: str = strawberry.field(description="A text for developers. Branch on `code`, not on this.")
    status: int | None = strawberry.field(description="The status of the REST API's response.")
    upstream_code: str | None = strawberry.field(description="The REST API's own, most detailed error code.")
    retry_after: int | None = strawberry.field(description="The seconds to wait before it is sent again.")
    claims: str | None = strawberry.field(description="The claims that a new sign-in must satisfy.")
    tracking_id: str | None = strawberry.field(
        description="The `trackingId` to look for, if the invitation was or may have been sent."
    )
    request_id: str | None = strawberry.field(description="The REST API's ID of the request, for Microsoft's support.")
    client_request_id: str | None = strawberry.field(
        description="The gateway's ID of the request, for Microsoft's support."
    )
