"""GraphQL errors as clients see them: each with a code, none with what is not theirs to know."""

import logging
import traceback
from collections.abc import Iterable

from graphql import FieldNode, GraphQLError

from gateway.errors import ErrorCode

logger = logging.getLogger("gateway.engine")


class DocumentError(Exception):
    """A document that cannot be run; `errors` are formatted as the GraphQL specification says."""

    def __init__(self, errors: list[dict[str, object]]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


def format_errors(errors: Iterable[GraphQLError], code: ErrorCode) -> list[dict[str, object]]:
    """Format errors that are the client's own, all with the same code."""
    return [{**error.formatted, "extensions": {"code": code}} for error in errors]


def format_field_errors(errors: Iterable[GraphQLError]) -> list[dict[str, object]]:
    """Format the errors of fields; those that are nobody's to see are masked and logged."""
    return [_format_field_error(error) for error in errors]


def _format_field_error(error: GraphQLError) -> dict[str, object]:
    code = (error.extensions or {}).get("code")
    if code in ErrorCode.__members__:
        return {**error.formatted}
    if _is_argument_error(error):
        return {**error.formatted, "extensions": {"code": ErrorCode.BAD_USER_INPUT}}
    _log(error)
    formatted = {**error.formatted, "message": "Internal server error"}
    return {**formatted, "extensions": {"code": ErrorCode.INTERNAL_SERVER_ERROR}}


def _is_argument_error(error: GraphQLError) -> bool:
    """Say whether graphql-core blames a value in the document: all its other field errors blame the field."""
    return bool(error.nodes) and not any(isinstance(node, FieldNode) for node in error.nodes or ())


def _log(error: GraphQLError) -> None:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    frames = traceback.extract_tb(cause.__traceback__)
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    logger.error("unexpected %s at %s: %s", type(cause).__qualname__, error.path, where)
