"""One operation of a document, and how it is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Literal

from graphql import GraphQLError, GraphQLSchema, execute
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.engine.document import Document
from gateway.engine.errors import Formatter
from gateway.engine.limits import Limits, variables_refusal
from gateway.engine.result import Result
from gateway.errors import ErrorCode

if TYPE_CHECKING:
    import strawberry


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the operations of valid documents through graphql-core, with what Strawberry's resolvers need."""

    strawberry: "strawberry.Schema"
    schema: GraphQLSchema
    formatter: Formatter
    limits: Limits
    hide_suggestions: bool

    async def run(self, document: Document, variables: Mapping[str, object] | None, context: object) -> Result:
        """Run a document's operation."""
        outcome = execute(
            self.schema,
            document.root,
            None,
            context,
            dict(variables or {}),
            document.operation.name.value if document.operation.name else None,
            max_coercion_errors=self.limits.errors,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # it is a TypeGuard that does not say so
            hide_suggestions=self.hide_suggestions,
            operation_extensions=None,
        )
        result = await outcome if isawaitable(outcome) else outcome
        errors = result.errors or []
        if result.data is None and errors and not any(error.path for error in errors):
            return self.refuse(errors, document, variables)
        return Result(result.data, self.formatter.field_errors(errors, document.text, variables), executed=True)

    def refuse(self, errors: list[GraphQLError], document: Document, variables: Mapping[str, object] | None) -> Result:
        """Answer a request error."""
        code = ErrorCode.BAD_USER_INPUT
        return Result(None, self.formatter.request_errors(errors, code, document.text, variables), executed=False)


class Operation:
    """One operation of a valid document, to be run any number of times."""

    __slots__ = ("_document", "_runner", "kind", "name")

    def __init__(self, document: Document, runner: Runner) -> None:
        node = document.operation
        self.kind: Literal["query", "mutation", "subscription"] = node.operation.value
        self.name = node.name.value if node.name else None
        self._document = document
        self._runner = runner

    async def execute(self, variables: Mapping[str, object] | None, context: object) -> Result:
        """Run the operation; resolvers see `context` as `info.context`.

        What resolvers raise becomes an error of the result; only cancellation goes through.
        """
        runner = self._runner
        refusal = variables_refusal(variables, runner.limits) if variables else None
        if refusal:
            return runner.refuse([GraphQLError(refusal)], self._document, None)
        return await runner.run(self._document, variables, context)
