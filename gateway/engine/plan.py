"""Compiles an operation into a plan, which builds arguments, calls root resolvers, and shapes their results.

Anything that fails is left to graphql-core. If arguments do not coerce, it takes over before any resolver has run. If a
resolver fails or a value cannot be shaped, it continues from what the root resolvers have already returned or raised,
so that none of them runs twice for one field.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, FragmentDefinitionNode, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, OperationType

from gateway.engine.arguments import ArgumentCompiler, Variables
from gateway.engine.document import Document
from gateway.engine.errors import logger
from gateway.engine.inputs import InputCompiler
from gateway.engine.outputs import OutputCompiler, Shape
from gateway.engine.replay import Record
from gateway.engine.selections import NotCompiledError, Selections
from gateway.engine.strawberry_internals import (
    Arguments,
    definition_of,
    has_exception_handlers,
    is_awaitable,
    root_call,
)
from gateway.telemetry import log_bug

if TYPE_CHECKING:
    import strawberry


@dataclass(frozen=True, slots=True)
class _Field:
    """A root field."""

    key: str
    arguments: Callable[[Variables], Arguments]
    call: Callable[[Arguments, object], object]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs an operation, as long as nothing fails."""

    fields: tuple[_Field, ...]
    checks: tuple[Callable[[Variables], object], ...]
    in_order: bool

    async def run(self, variables: Variables, context: object) -> dict[str, object] | Record:
        """Return the operation's data, or the record from which graphql-core continues."""
        try:
            for check in self.checks:
                check(variables)
            arguments = [field.arguments(variables) for field in self.fields]
        except Exception:  # noqa: BLE001 (graphql-core reports it)
            return Record()
        run = self._one_by_one if self.in_order else self._side_by_side
        return await run(arguments, context)

    async def _one_by_one(self, arguments: list[Arguments], context: object) -> dict[str, object] | Record:
        data: dict[str, object] = {}
        returned: dict[str, object] = {}
        for field, given in zip(self.fields, arguments, strict=True):
            try:
                value: Any = field.call(given, context)
                if is_awaitable(value):
                    value = await value
            except Exception as error:  # noqa: BLE001 (graphql-core reports it)
                return Record(returned, {field.key: error})
            returned[field.key] = value
            try:
                data[field.key] = field.shape(value)
            except Exception:  # noqa: BLE001 (graphql-core reports it)
                return Record(returned)
        return data

    async def _side_by_side(self, arguments: list[Arguments], context: object) -> dict[str, object] | Record:
        record = Record()
        pending: dict[str, Awaitable[object]] = {}
        for field, given in zip(self.fields, arguments, strict=True):
            try:
                value: Any = field.call(given, context)
            except Exception as error:  # noqa: BLE001 (graphql-core reports it)
                record.raised[field.key] = error
                continue
            if is_awaitable(value):
                pending[field.key] = value
            else:
                record.returned[field.key] = value
        outcomes = await asyncio.gather(*pending.values(), return_exceptions=True)
        for key, outcome in zip(pending, outcomes, strict=True):
            if isinstance(outcome, Exception):
                record.raised[key] = outcome
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                record.returned[key] = outcome
        return self._shaped(record)

    def _shaped(self, record: Record) -> dict[str, object] | Record:
        if record.raised:
            return record
        try:
            return {field.key: field.shape(record.returned[field.key]) for field in self.fields}
        except Exception:  # noqa: BLE001 (graphql-core reports it)
            return record


class ConditionalPlan:
    """Runs an operation whose selections depend on variables, by a plan for each combination of their values."""

    __slots__ = ("_compile", "_conditions", "_max_plans", "_plans")

    def __init__(self, document: Document, compile_for: Callable[[Mapping[str, bool]], Plan | None]) -> None:
        """`compile_for` makes the plan for values of the conditions."""
        self._conditions = document.conditions
        self._max_plans = document.plans
        self._compile = compile_for
        self._plans: dict[tuple[bool, ...], Plan | None] = {}

    def run(self, variables: Variables, context: object) -> Awaitable[dict[str, object] | Record]:
        """Return the operation's data, or the record from which graphql-core continues."""
        plan = self._plan(variables)
        return plan.run(variables, context) if plan else _hand_over()

    def _plan(self, variables: Variables) -> Plan | None:
        values: list[bool] = []
        for name, default in self._conditions.items():
            value = variables.get(name, default)
            if value is not True and value is not False:
                return None  # graphql-core reports it
            values.append(value)
        key = tuple(values)
        if key not in self._plans and len(self._plans) < self._max_plans:
            self._plans[key] = self._compile(dict(zip(self._conditions, values, strict=True)))
        return self._plans.get(key)


async def _hand_over() -> Record:
    return Record()


def compile_plan(schema: "strawberry.Schema", core: GraphQLSchema, document: Document) -> Plan | ConditionalPlan | None:
    """Return a plan for the document's operation, or None if graphql-core must run it."""
    if document.conditions:
        return ConditionalPlan(document, partial(compile_for, schema, core, document))
    return compile_for(schema, core, document, {})


def compile_for(
    schema: "strawberry.Schema", core: GraphQLSchema, document: Document, conditions: Mapping[str, bool]
) -> Plan | None:
    """Return a plan for these values of the variables on `@skip` and `@include`, or None if there can be none."""
    try:
        return _Compiler(schema, core, document, conditions).plan()
    except NotCompiledError as reason:
        log_no_plan(str(reason))
        return None
    except Exception as error:  # noqa: BLE001 (graphql-core can still run it)
        log_bug(logger, error)
        return None


def log_no_plan(reason: str) -> None:
    """Log at debug level why graphql-core handles every run of an operation."""
    logger.debug("no_plan=%s", json.dumps(reason))


class _Compiler:
    def __init__(
        self, schema: "strawberry.Schema", core: GraphQLSchema, document: Document, conditions: Mapping[str, bool]
    ) -> None:
        self._schema = schema
        self._core = core
        self._operation = document.operation
        self._fragments = {
            node.name.value: node for node in document.root.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._selections = Selections(core, self._fragments, conditions)
        self._arguments = ArgumentCompiler(schema, core, document.operation, InputCompiler(schema), conditions)
        self._outputs = OutputCompiler(self._selections)

    def plan(self) -> Plan:
        """Return the operation's plan. Raises NotCompiledError."""
        operation = self._operation
        root_type = self._core.get_root_type(operation.operation)
        variable_fragments = any(fragment.variable_definitions for fragment in self._fragments.values())
        if root_type is None or operation.directives or variable_fragments or has_exception_handlers(self._schema):
            raise NotCompiledError("a directive on the operation, variables of a fragment, or exception handlers")
        selected = self._selections.collect(root_type, [operation.selection_set])
        serial = operation.operation is OperationType.MUTATION
        if not serial and len(selected) > 1 and any(self._cannot_be_null(root_type, it) for it in selected.values()):
            # A null there would cancel the other fields, however far they have come.
            raise NotCompiledError("several fields, one of them non-null")
        unfinished = [self._field(root_type, key, nodes) for key, nodes in selected.items()]
        find = self._outputs.compile()
        fields = tuple(make(find) for make in unfinished)
        return Plan(fields, tuple(self._arguments.checks()), in_order=serial or len(fields) == 1)

    def _cannot_be_null(self, root_type: GraphQLObjectType, nodes: list[FieldNode]) -> bool:
        field = root_type.fields.get(nodes[0].name.value)
        return field is not None and isinstance(field.type, GraphQLNonNull)

    def _field(
        self, root_type: GraphQLObjectType, key: str, nodes: list[FieldNode]
    ) -> Callable[[Callable[[str], Shape]], _Field]:
        name = nodes[0].name.value
        if name == "__typename":
            type_name = root_type.name
            return lambda _: _Field(key, lambda _: {}, lambda *_: type_name, lambda value: value)
        field = root_type.fields.get(name)
        resolved = definition_of(field)
        call = root_call(self._schema, resolved)
        arguments = self._arguments.field(field, resolved, nodes[0])
        shape = self._outputs.add(field.type, nodes)
        return lambda find: _Field(key, arguments, call, find(shape))
