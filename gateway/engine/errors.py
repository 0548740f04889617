"""Formats GraphQL errors for clients: each gets a code, and none shows confidential details."""

import logging
from collections.abc import Mapping, Sequence

from graphql import FieldNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, get_nullable_type, is_list_type

from gateway.engine.limits import Limits
from gateway.engine.redact import Redactor, SchemaNames, redact_syntax_error
from gateway.engine.strawberry_internals import StrawberryInputCoercionError
from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.telemetry import log_bug

logger = logging.getLogger("gateway.engine")

MAX_MESSAGE = 500
MAX_LOGGED_PATH = 200
"""Maximum characters of a field's path in the log: the client chooses its aliases."""
Formatted = dict[str, object]


class DocumentError(Exception):
    """A document that cannot be run. Its `errors` have the format of the GraphQL specification.

    `kind` is the kind of its operation (query, mutation, subscription), or None if it is not known.
    """

    def __init__(self, errors: list[Formatted], kind: str | None = None) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors
        self.kind = kind


class Formatter:
    """Formats errors for the clients of a schema."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._names = SchemaNames(schema, introspection=introspection)
        self._parts = {
            name
            for name, field in (schema.mutation_type.fields if schema.mutation_type else {}).items()
            if any(is_list_type(get_nullable_type(it.type)) for it in field.args.values())
        }
        """Mutations of several things, of which some may have failed."""

    def request_errors(
        self, errors: Sequence[GraphQLError], code: ErrorCode, text: str, variables: Mapping[str, object] | None
    ) -> list[Formatted]:
        """Return the errors of a document or its variables, formatted."""
        redact = self._redactor(text, variables)
        return [
            _formatted(error, redact_syntax_error(error) if _is_syntax(error) else redact(error.message), code)
            for error in errors
        ]

    def field_errors(
        self, errors: Sequence[GraphQLError], text: str, variables: Mapping[str, object] | None, *, mutation: bool
    ) -> list[Formatted]:
        """Return the errors of fields, formatted. Log those that are our bugs, and hide their details from the client.

        Errors of a mutation have its outcome: the one that its resolver reported, or else one inferred from the error.
        """
        if not errors:
            return []
        redact = self._redactor(text, variables)
        # Never drop errors of root fields: each has an outcome, and the number of root fields is limited.
        roots = [error for error in errors if len(error.path or ()) <= 1]
        others = [error for error in errors if len(error.path or ()) > 1]
        kept = [*roots, *others[: self._limits.errors]]
        shown = [_field_error(error, redact, mutation=mutation) for error in kept]
        more = len(errors) - len(shown)
        if more:
            message = f"{more} more errors below root fields are not shown: at most {self._limits.errors} are reported."
            outcome = {"outcome": Outcome.APPLIED.value} if mutation else {}
            extensions = {"code": ErrorCode.INTERNAL_SERVER_ERROR.value, **outcome}
            shown.append({"message": message, "extensions": extensions})
        return shown

    def too_large(self, limit: int, done: Mapping[str, FieldNode] | None) -> list[Formatted]:
        """Return the errors for a response that is too large: for a mutation, one for each field in `done`."""
        what = f"The response is too large: at most {limit} bytes are allowed."
        message = f"{what} Select fewer fields, request fewer items, or use fewer aliases."
        code = ErrorCode.ANSWER_TOO_LARGE
        if done is None:
            return [_formatted(GraphQLError(message), message, code)]
        errors = [GraphQLError(message, node, path=[key]) for key, node in done.items()]
        return [
            _formatted(error, message, code, Outcome.UNKNOWN if node.name.value in self._parts else Outcome.APPLIED)
            for error, node in zip(errors, done.values(), strict=True)
        ]

    def _redactor(self, text: str, variables: Mapping[str, object] | None) -> Redactor:
        return Redactor(text, variables, self._limits.tokens, self._names)


def _is_syntax(error: GraphQLError) -> bool:
    return isinstance(error, GraphQLSyntaxError)


def _field_error(error: GraphQLError, redact: Redactor, *, mutation: bool) -> Formatted:
    # An error below the root means that the mutation's resolver has returned.
    outcome = Outcome.UNKNOWN if len(error.path or ()) == 1 else Outcome.APPLIED
    extensions = error.extensions or {}
    if extensions.get("code") in ErrorCode.__members__:
        if mutation:
            told = error.original_error.outcome if isinstance(error.original_error, GatewayError) else None
            extensions = {**extensions, "outcome": (told or outcome).value}
        return {**error.formatted, "extensions": extensions}
    if _is_input_error(error):
        return _formatted(
            error, redact(error.message), ErrorCode.BAD_USER_INPUT, Outcome.NOT_APPLIED if mutation else None
        )
    _log(error)
    return _formatted(error, "Internal server error", ErrorCode.INTERNAL_SERVER_ERROR, outcome if mutation else None)


def _formatted(error: GraphQLError, message: str, code: ErrorCode, outcome: Outcome | None = None) -> Formatted:
    extensions = {"code": code.value, "outcome": outcome.value} if outcome else {"code": code.value}
    # A message can quote a number of any length.
    return {**error.formatted, "message": message[:MAX_MESSAGE], "extensions": extensions}


def _is_input_error(error: GraphQLError) -> bool:
    """Return whether an argument did not coerce.

    graphql-core then locates the error at the argument's value in the document; errors of resolvers, at the field.
    """
    if isinstance(error.original_error, StrawberryInputCoercionError):
        return True
    return bool(error.nodes) and not any(isinstance(node, FieldNode) for node in error.nodes or ())


def _log(error: GraphQLError) -> None:
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    log_bug(logger, cause, field=".".join(map(str, error.path or ()))[:MAX_LOGGED_PATH])
