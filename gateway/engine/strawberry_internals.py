"""Everything undocumented that the engine uses of Strawberry, whose documentation does not cover reading a schema.

`tests/libraries/test_strawberry.py` shows what breaks when a new version changes it.
"""

import weakref
from collections.abc import Callable
from dataclasses import MISSING
from functools import partial
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import GraphQLField, GraphQLSchema
from strawberry.exceptions import StrawberryInputCoercionError  # raised for invalid client input
from strawberry.execution import optimized_is_awaitable as is_awaitable  # Strawberry passes it to graphql-core
from strawberry.schema.base import BaseSchema
from strawberry.schema.schema import Schema, StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.maybe_null import (
    MaybeNullValidationRule,
)  # Strawberry adds this rule to graphql-core's
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule  # and this one
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from gateway.engine.selections import NotCompiledError

if TYPE_CHECKING:
    import strawberry

__all__ = [
    "Executor",
    "MaybeNullValidationRule",
    "OneOfInputValidationRule",
    "StrawberryInputCoercionError",
    "StrawberryList",
    "StrawberryMaybe",
    "StrawberryOptional",
    "is_awaitable",
]

Arguments = dict[str, object]


def core_schema(schema: "strawberry.Schema") -> GraphQLSchema:
    """Return the graphql-core schema that Strawberry builds, which the engine needs to run documents itself."""
    return schema._schema  # noqa: SLF001


class Executor(StrawberryGraphQLCoreExecutionContext):
    """The executor class that Strawberry passes to graphql-core, without its cycle of references.

    The cycle would keep an operation's variables and data, up to megabytes, until it is garbage-collected.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        it, class_ = weakref.proxy(self), type(self)
        self.async_helpers = type(self.async_helpers)(
            gather=partial(class_.gather_async_work, it), track=partial(class_.track_async_work, it)
        )


def ignored_parts(schema: "strawberry.Schema") -> list[str]:
    """Return the parts of a schema that Strawberry respects when it runs an operation, and the engine does not."""
    config = schema.config
    parts = {
        "extensions": schema.extensions,
        "get_extensions": _is_overridden(schema, "get_extensions", Schema),
        "directives": schema.directives,
        "subscription": schema.subscription,
        "execution_context_class": schema.execution_context_class is not StrawberryGraphQLCoreExecutionContext,
        "process_errors": _is_overridden(schema, "process_errors", BaseSchema),
        "config.disable_field_suggestions": config.disable_field_suggestions,
        "config.enable_experimental_incremental_execution": config.enable_experimental_incremental_execution,
    }
    return [name for name, used in parts.items() if used]


def _is_overridden(it: object, method: str, class_: type) -> bool:
    return getattr(getattr(it, method), "__func__", None) is not getattr(class_, method)


def has_exception_handlers(schema: "strawberry.Schema") -> bool:
    """Return whether the schema can turn exceptions of resolvers into results."""
    return bool(schema.exception_handlers)


def definition_of(field: GraphQLField | None) -> StrawberryField:
    """Return the Strawberry field behind a graphql-core field. Raises NotCompiledError."""
    found = field and field.extensions.get("strawberry-definition")
    if not isinstance(found, StrawberryField) or found.extensions:
        raise NotCompiledError("a field that is not a Strawberry field, or has extensions")
    if _is_overridden(found, "get_result", StrawberryField):
        raise NotCompiledError("a field with its own get_result")
    return found


class Argument(NamedTuple):
    """An argument of a field: its names in GraphQL and in Python, and its Strawberry type."""

    name: str
    python_name: str
    annotation: object


def arguments_of(schema: "strawberry.Schema", field: StrawberryField) -> list[Argument]:
    """Return the arguments of a field."""
    name = schema.config.name_converter.from_argument
    return [Argument(name(it), it.python_name, it.type) for it in field.arguments]


class InputField(NamedTuple):
    """A field of an input: its names in GraphQL and in Python, its type, and whether its class has a default for it."""

    name: str
    python_name: str
    annotation: object
    has_default: bool


def input_fields(schema: "strawberry.Schema", class_: type) -> list[InputField]:
    """Return the fields of an input that is built by calling its class. Raises NotCompiledError."""
    definition = get_object_definition(class_)
    if definition is None or definition.from_input or definition.is_one_of:
        raise NotCompiledError("an input that is oneOf, or builds itself")
    name = schema.config.name_converter.from_field
    return [
        InputField(
            name(it),
            it.python_name,
            it.resolve_type(type_definition=definition),
            it.default_value is not MISSING or it.default_factory is not MISSING,
        )
        for it in definition.fields
    ]


def converter(schema: "strawberry.Schema") -> Callable[[object, object], object]:
    """Return the function that turns a value coerced by graphql-core, and its Strawberry type, into an argument."""
    scalars, config = schema.schema_converter.scalar_registry, schema.config
    return lambda value, annotation: convert_argument(value, annotation, scalars, config)  # type: ignore[arg-type]


class Resolver(NamedTuple):
    """The function behind a field, and those of its parameters that are not arguments of the field."""

    function: Callable[..., object]
    is_async: bool
    self: bool
    parents: set[str]
    info: str | None


def resolver_of(field: StrawberryField) -> Resolver | None:
    """Return a field's resolver, or None if the field is an attribute. Raises NotCompiledError."""
    it = field.base_resolver
    if it is None:
        return None
    if not callable(it.wrapped_func) or isasyncgenfunction(it.wrapped_func):
        raise NotCompiledError("a resolver that yields")
    if _is_overridden(it, "__call__", StrawberryResolver):
        raise NotCompiledError("a resolver of a class of its own")
    parents = {parameter.name for parameter in (it.parent_parameter, it.root_parameter) if parameter}
    info = it.info_parameter.name if it.info_parameter else None
    return Resolver(it.wrapped_func, it.is_async, bool(it.self_parameter), parents, info)


class ResolveInfo:
    """Replaces graphql-core's `GraphQLResolveInfo` in `strawberry.Info`: our resolvers use only the context."""

    __slots__ = ("context",)

    def __init__(self, context: object) -> None:
        self.context = context


def root_call(schema: "strawberry.Schema", field: StrawberryField) -> Callable[[Arguments, object], object]:
    """Return the function that calls a root resolver as Strawberry does; the root value is None.

    Raises NotCompiledError.
    """
    resolver = resolver_of(field)
    if resolver is None:
        raise NotCompiledError("a root field without a resolver")
    function, info_name = resolver.function, resolver.info
    constant: Arguments = dict.fromkeys(resolver.parents)
    positional = (None,) if resolver.self else ()
    info_class = schema.config.info_class

    def call(arguments: Arguments, context: object) -> object:
        arguments.update(constant)
        if info_name:
            raw: Any = ResolveInfo(context)
            arguments[info_name] = info_class(_raw_info=raw, _field=field)
        return function(*positional, **arguments)

    return call
