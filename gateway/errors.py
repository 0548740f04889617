"""The errors that clients can branch on: `extensions.code` and `extensions.outcome`."""

from asyncio import Future
from enum import StrEnum
from typing import Any


class ErrorCode(StrEnum):
    """The values of `extensions.code`; the README says when each occurs."""

    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    BAD_REQUEST = "BAD_REQUEST"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    ANSWER_TOO_LARGE = "ANSWER_TOO_LARGE"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    OVERLOADED = "OVERLOADED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    RATE_LIMITED = "RATE_LIMITED"
    UPSTREAM_UNAVAILABLE = "UPSTREAM_UNAVAILABLE"
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT"
    UPSTREAM_ERROR = "UPSTREAM_ERROR"
    UPSTREAM_INVALID_RESPONSE = "UPSTREAM_INVALID_RESPONSE"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    IDEMPOTENCY_UNKNOWN = "IDEMPOTENCY_UNKNOWN"
    IDEMPOTENCY_STORE_UNAVAILABLE = "IDEMPOTENCY_STORE_UNAVAILABLE"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class Outcome(StrEnum):
    """The outcome of a failed mutation: whether sending it again could apply it twice."""

    NOT_APPLIED = "NOT_APPLIED"
    """This request did not apply it: it is safe to send again, with the same idempotency key if it had one."""
    UNKNOWN = "UNKNOWN"
    """It may have been applied: check before sending it again without the same idempotency key."""
    APPLIED = "APPLIED"
    """It succeeded, but the response could not be used: do not send it again."""


class GatewayError(Exception):
    """An error whose message and extensions are shown to the client unchanged.

    Any other exception reaches the client as `INTERNAL_SERVER_ERROR`, without details.
    """

    def __init__(
        self, code: ErrorCode, message: str, outcome: Outcome | None = None, **details: str | int | None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.outcome = outcome
        """The outcome of the mutation; clients see it for mutations only."""
        self.extensions: dict[str, object] = {
            "code": code.value,
            **{name: value for name, value in details.items() if value is not None},
        }


def without_frames(error: BaseException) -> None:
    """Drop the frames of an exception and of the exceptions in its chain.

    Frames refer to a request's data, and often to the exception itself: only the collector would free such a cycle.
    """
    rest: BaseException | None = error
    while rest is not None:
        behind = rest.__cause__ or rest.__context__
        rest.__traceback__ = rest.__cause__ = rest.__context__ = None
        rest = behind


def set_exception(future: Future[Any], error: BaseException) -> None:
    """Set an exception on a future without its frames: they refer to the future, and would form a cycle."""
    frames, error.__traceback__ = error.__traceback__, None
    future.set_exception(error)
    error.__traceback__ = frames
