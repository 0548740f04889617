"""Runs an operation of a document."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import TYPE_CHECKING, Literal

from graphql import GraphQLError, GraphQLSchema, OperationType, execute

from gateway.engine.document import Document
from gateway.engine.errors import Formatter
from gateway.engine.limits import Limits, variables_refusal
from gateway.engine.plan import ConditionalPlan, Plan, compile_plan, log_no_plan
from gateway.engine.replay import Record, Replay
from gateway.engine.result import Result
from gateway.engine.size import is_larger, multiplies
from gateway.engine.strawberry_internals import Executor, is_awaitable
from gateway.errors import ErrorCode, without_frames

if TYPE_CHECKING:
    import strawberry

MAX_IN_VAIN = 10
"""Maximum number of error-free runs that a plan hands over before its first success."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs operations of valid documents with graphql-core, configured for Strawberry's resolvers."""

    strawberry: "strawberry.Schema"
    schema: GraphQLSchema
    formatter: Formatter
    limits: Limits
    hide_suggestions: bool

    async def run(
        self, document: Document, variables: Mapping[str, object], context: object, record: Record | None
    ) -> Result:
        """Return the result of a document's operation. Root fields in the record are not resolved again."""
        outcome = execute(
            self.schema,
            document.root,
            None,
            context,
            dict(variables),
            document.operation.name.value if document.operation.name else None,
            max_coercion_errors=self.limits.errors,
            middleware=[Replay(record)] if record else None,
            executor_class=Executor,
            is_awaitable=is_awaitable,  # type: ignore[arg-type]  # its annotation lacks the TypeGuard
            hide_suggestions=self.hide_suggestions,
            operation_extensions=None,
        )
        result = await outcome if isawaitable(outcome) else outcome
        errors = result.errors or []
        if result.data is None and errors and not any(error.path for error in errors):
            answer = self.refuse(errors, document, variables)
        else:
            mutation = document.operation.operation is OperationType.MUTATION
            shown = self.formatter.field_errors(errors, document.text, variables, mutation=mutation)
            answer = Result(result.data, shown, executed=True)
        for error in errors:
            without_frames(error)
            if error.original_error:
                without_frames(error.original_error)
        return answer

    def refuse(self, errors: list[GraphQLError], document: Document, variables: Mapping[str, object]) -> Result:
        """Return the result for request errors."""
        code = ErrorCode.BAD_USER_INPUT
        return Result(None, self.formatter.request_errors(errors, code, document.text, variables), executed=False)

    def bounded(self, result: Result, document: Document) -> Result:
        """Return the result, or errors in its place if it is too large."""
        limit = self.limits.answer_bytes
        if not result.data or not is_larger(result.data, limit):
            return result
        fields = None
        if document.operation.operation is OperationType.MUTATION:
            fields = {key: it for key, it in document.root_fields().items() if result.data.get(key) is not None}
        return Result(None, [*result.errors, *self.formatter.too_large(limit, fields)], executed=True)


class Operation:
    """One operation of a valid document, which can run any number of times.

    The first run uses only graphql-core; the second compiles a plan, if the operation can have one. A plan is dropped
    if it never succeeds, and hands over too many runs in which graphql-core finds no error.
    """

    __slots__ = ("_document", "_in_vain", "_is_proven", "_multiplies", "_plan", "_runner", "_runs", "kind", "name")

    def __init__(self, document: Document, runner: Runner) -> None:
        node = document.operation
        self.kind: Literal["query", "mutation", "subscription"] = node.operation.value
        self.name = node.name.value if node.name else None
        self._document = document
        self._runner = runner
        self._multiplies = multiplies(document.root)
        self._runs = 0
        self._plan: Plan | ConditionalPlan | None = None
        self._is_proven = False
        self._in_vain = 0

    @property
    def size(self) -> int:
        """Estimated bytes, including its text once."""
        return self._document.size

    async def execute(self, variables: Mapping[str, object] | None, context: object) -> Result:
        """Run the operation and return its result; resolvers see `context` as `info.context`.

        Exceptions of resolvers become errors of the result; only cancellation propagates.
        """
        runner = self._runner
        variables = variables or {}
        refusal = variables_refusal(variables, runner.limits)
        if refusal:
            return runner.refuse([GraphQLError(refusal)], self._document, {})
        plan = self._plan or self._compile()
        outcome = await plan.run(variables, context) if plan else None
        if isinstance(outcome, dict):
            self._is_proven = True
            result = Result(outcome, [], executed=True)
        else:
            result = await runner.run(self._document, variables, context, outcome)
            # Errors come from the request or the REST API: without them, the plan can succeed.
            if plan and not self._is_proven and not result.errors:
                self._count_in_vain()
        return runner.bounded(result, self._document) if self._multiplies else result

    def _compile(self) -> Plan | ConditionalPlan | None:
        self._runs += 1
        if self._runs == 2:
            self._plan = compile_plan(self._runner.strawberry, self._runner.schema, self._document)
        return self._plan

    def _count_in_vain(self) -> None:
        self._in_vain += 1
        if self._plan and self._in_vain >= MAX_IN_VAIN:
            self._plan = None
            log_no_plan(f"the plan handed over {MAX_IN_VAIN} runs in which graphql-core found no error")
