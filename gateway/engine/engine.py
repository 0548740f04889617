"""The engine: prepares documents and runs their operations."""

from collections.abc import Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Literal

from graphql import GraphQLSchema, execute
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.engine.document import Document, read
from gateway.engine.errors import format_errors, format_field_errors
from gateway.engine.limits import Limits
from gateway.engine.result import Result
from gateway.errors import ErrorCode

if TYPE_CHECKING:
    import strawberry


class Engine:
    """Runs GraphQL operations on a Strawberry schema.

    Without `introspection`, `__schema` and `__type` are refused and no message gives the schema's names away.
    """

    def __init__(self, schema: "strawberry.Schema", *, introspection: bool = True, limits: Limits = Limits()) -> None:  # noqa: B008 (immutable)
        # Strawberry has no public way to the graphql-core schema that it builds; its own modules reach it like this.
        self._schema: GraphQLSchema = schema._schema  # noqa: SLF001
        self._introspection = introspection
        self._limits = limits

    def prepare(self, text: str, operation_name: str | None) -> "Operation":
        """Make an operation of a document's text; raises DocumentError when it cannot be run."""
        document = read(self._schema, text, operation_name, introspection=self._introspection, limits=self._limits)
        return Operation(self._schema, document, introspection=self._introspection, limits=self._limits)


class Operation:
    """One operation of a valid document, to be run any number of times."""

    def __init__(self, schema: GraphQLSchema, document: Document, *, introspection: bool, limits: Limits) -> None:
        node = document.operation
        self.kind: Literal["query", "mutation", "subscription"] = node.operation.value
        self.name = node.name.value if node.name else None
        self._schema = schema
        self._document = document
        self._introspection = introspection
        self._limits = limits

    async def execute(self, variables: Mapping[str, object] | None, context: object) -> Result:
        """Run the operation; resolvers see `context` as `info.context`. Never raises for what they raise."""
        outcome = execute(
            self._schema,
            self._document.root,
            None,
            context,
            dict(variables or {}),
            self.name,
            max_coercion_errors=self._limits.errors,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # Strawberry does not annotate it as a TypeGuard
            hide_suggestions=not self._introspection,
            operation_extensions=None,
        )
        result = await outcome if isawaitable(outcome) else outcome
        errors = result.errors or []
        if result.data is None and errors and not any(error.path for error in errors):
            return Result(None, format_errors(errors, ErrorCode.BAD_USER_INPUT), executed=False)
        return Result(result.data, format_field_errors(errors), executed=True)
