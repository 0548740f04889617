"""GraphQL errors as clients see them: each with a code, none with what is not theirs to know."""

import logging
import traceback
from collections.abc import Mapping, Sequence

from graphql import FieldNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError
from strawberry.exceptions import StrawberryInputCoercionError

from gateway.engine.limits import Limits
from gateway.engine.redact import Redactor, SchemaNames, redact_syntax_error
from gateway.errors import ErrorCode

logger = logging.getLogger("gateway.engine")

MAX_MESSAGE = 500
Formatted = dict[str, object]


class DocumentError(Exception):
    """A document that cannot be run; `errors` are formatted as the GraphQL specification says."""

    def __init__(self, errors: list[Formatted]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


class Formatter:
    """Formats errors for the client of a schema."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._names = SchemaNames(schema, introspection=introspection)

    def request_errors(
        self, errors: Sequence[GraphQLError], code: ErrorCode, text: str, variables: Mapping[str, object] | None
    ) -> list[Formatted]:
        """Format what is wrong with a document or its variables."""
        redact = self._redactor(text, variables)
        return [
            _formatted(error, redact_syntax_error(error) if _is_syntax(error) else redact(error.message), code)
            for error in errors
        ]

    def field_errors(
        self, errors: Sequence[GraphQLError], text: str, variables: Mapping[str, object] | None
    ) -> list[Formatted]:
        """Format the errors of fields, and log those that are a bug of ours: the client is not told what they are."""
        if not errors:
            return []
        redact = self._redactor(text, variables)
        shown = [_field_error(error, redact) for error in errors[: self._limits.errors]]
        more = len(errors) - len(shown)
        if more:
            message = f"{more} more errors are not shown: at most {self._limits.errors} are reported."
            shown.append({"message": message, "extensions": shown[-1]["extensions"]})
        return shown

    def _redactor(self, text: str, variables: Mapping[str, object] | None) -> Redactor:
        return Redactor(text, variables, self._limits.tokens, self._names)


def _is_syntax(error: GraphQLError) -> bool:
    return isinstance(error, GraphQLSyntaxError)


def _field_error(error: GraphQLError, redact: Redactor) -> Formatted:
    code = (error.extensions or {}).get("code")
    if code in ErrorCode.__members__:
        return {**error.formatted}
    if _is_input_error(error):
        return _formatted(error, redact(error.message), ErrorCode.BAD_USER_INPUT)
    _log(error)
    return _formatted(error, "Internal server error", ErrorCode.INTERNAL_SERVER_ERROR)


def _formatted(error: GraphQLError, message: str, code: ErrorCode) -> Formatted:
    # A message can hold a number of any length.
    return {**error.formatted, "message": message[:MAX_MESSAGE], "extensions": {"code": code.value}}


def _is_input_error(error: GraphQLError) -> bool:
    """Say whether an argument did not coerce.

    graphql-core blames the argument's value in the document then, and the field for all that a resolver does.
    """
    if isinstance(error.original_error, StrawberryInputCoercionError):
        return True
    return bool(error.nodes) and not any(isinstance(node, FieldNode) for node in error.nodes or ())


def _log(error: GraphQLError) -> None:
    """Log an exception's type and where it came from; its message may hold what the upstream or the client sent."""
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    frames = traceback.extract_tb(cause.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    logger.error("unexpected %s at %s, raised in %s", type(cause).__qualname__, error.path, where or "graphql-core")
