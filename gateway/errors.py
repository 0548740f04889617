"""What a client can branch on when something went wrong: `extensions.code` and `extensions.outcome`."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every value that `extensions.code` can have; the README says when each is given."""

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
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class Outcome(StrEnum):
    """What became of a mutation that failed: whether sending it again can do it twice."""

    NOT_APPLIED = "NOT_APPLIED"
    """It was never sent, or it was refused: it may be sent again."""
    UNKNOWN = "UNKNOWN"
    """It was sent and its fate is not known: look before sending it again."""
    APPLIED = "APPLIED"
    """It was done, but the answer could not be used: do not send it again."""


class GatewayError(Exception):
    """A failure whose text and extensions are meant for the client, as they are.

    Everything else that is raised reaches the client as `INTERNAL_SERVER_ERROR` and says nothing more.
    """

    def __init__(
        self, code: ErrorCode, message: str, outcome: Outcome | None = None, **details: str | int | None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.outcome = outcome
        """What became of the mutation that failed; clients see it for mutations only."""
        self.extensions: dict[str, object] = {
            "code": code.value,
            **{name: value for name, value in details.items() if value is not None},
        }


def without_frames(error: BaseException) -> None:
    """Let go of the frames that an exception, and those behind it, came through.

    Frames hold what a request brought, and often the exception itself: both would stay until the collector comes.
    """
    rest: BaseException | None = error
    while rest is not None:
        behind = rest.__cause__ or rest.__context__
        rest.__traceback__ = rest.__cause__ = rest.__context__ = None
        rest = behind
