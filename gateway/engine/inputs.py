"""Compiles functions that convert the JSON of variables to the arguments that Strawberry would build.

graphql-core coerces values by the schema's types, and Strawberry's `convert_argument` turns the result into inputs.
These functions do both in one step. If a value does not coerce, they raise an exception of any class; the operation is
then left to graphql-core, before any resolver has run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    Undefined,
)
from strawberry.exceptions import StrawberryGraphQLError
from strawberry.relay import GlobalID

from gateway.engine.selections import NotCompiledError
from gateway.engine.strawberry_internals import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryOptional,
    converter,
    input_fields,
)

Convert = Callable[[object], object]


class InputCompiler:
    """Compiles a function for each pair of a GraphQL type and the Strawberry type that it came from."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._convert = converter(schema)
        self._objects: dict[tuple[str, type], Convert] = {}

    def value(self, type_: GraphQLInputType, annotation: object) -> Convert:
        """Return the function that converts a value in the variables. Raises NotCompiledError."""
        if isinstance(annotation, strawberry.LazyType):
            return self.value(type_, annotation.resolve_type())
        if isinstance(annotation, StrawberryMaybe):
            return _maybe(
                self.value(type_, annotation.of_type), nullable=isinstance(annotation.of_type, StrawberryOptional)
            )
        if isinstance(annotation, StrawberryOptional):
            return self.value(type_, annotation.of_type)
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, annotation)
        present = self._present(type_, annotation)
        return lambda value: None if value is None else present(value)

    def constant(self, coerce: Callable[[], object], annotation: object) -> Callable[[], object]:
        """Return a function that returns what `coerce` does, converted: a new value for each call if it is mutable.

        Raises NotCompiledError if Strawberry refuses the value.
        """

        def convert() -> object:
            return self._convert(coerce(), annotation)

        try:
            value = convert()
        except StrawberryGraphQLError:
            raise NotCompiledError("a default that does not convert") from None
        # An instance of a class derived from these can have attributes.
        if value is None or value.__class__ in {str, int, float, bool} or isinstance(value, Enum):
            return lambda: value
        return convert

    def _present(self, type_: GraphQLInputType, annotation: object) -> Convert:
        """Return the function for values that must not be null."""
        if isinstance(type_, GraphQLList) and isinstance(annotation, StrawberryList):
            return _list(self.value(type_.of_type, annotation.of_type))
        if isinstance(type_, GraphQLInputObjectType) and isinstance(annotation, type):
            key = (type_.name, annotation)
            return self._objects.get(key) or self._object(type_, annotation, key)
        if isinstance(type_, GraphQLScalarType | GraphQLEnumType) and annotation is not GlobalID:
            return _leaf(type_)
        raise NotCompiledError("an argument of a type that is not compiled")

    def _object(self, type_: GraphQLInputObjectType, class_: type, key: tuple[str, type]) -> Convert:
        fields: dict[str, tuple[str, Convert]] = {}

        def convert(value: object) -> object:
            if not isinstance(value, dict):
                return wrong()
            given = {}
            for name, item in value.items():
                python_name, inner = fields[name]
                given[python_name] = inner(item)
            if len(given) != len(fields):
                for python_name, supply in absent:
                    if python_name not in given:
                        given[python_name] = supply()
            return class_(**given)

        self._objects[key] = convert  # before its fields: an input can contain its own type
        description = self.describe(type_, class_)
        absent = tuple(description.absent.items())
        for name, field in description.fields.items():
            fields[name] = (field.python_name, self.value(field.type, field.annotation))
        return convert

    def describe(self, type_: GraphQLInputObjectType, class_: type) -> "InputObject":
        """Return how an input is built. Raises NotCompiledError."""
        if type_.is_one_of:
            raise NotCompiledError("a oneOf input")
        described = InputObject(class_, {}, {})
        for name, python_name, annotation, has_default in input_fields(self._schema, class_):
            graphql_field = type_.fields.get(name)
            if graphql_field:
                described.fields[name] = InputField(python_name, graphql_field.type, annotation)
                supply = self.default(graphql_field, annotation)
                if supply is not None:
                    described.absent[python_name] = supply
                    continue
            if not has_default:
                described.absent[python_name] = _nothing
        return described

    def default(self, defined: GraphQLArgument | GraphQLInputField, annotation: object) -> Callable[[], object] | None:
        """Return the function that returns a missing value's default, if it has one; `wrong` if it is required."""
        if defined.default is not None:
            raise NotCompiledError("a default that only graphql-core knows")  # Strawberry does not use these
        if defined.default_value is not Undefined:
            return self.constant(lambda: defined.default_value, annotation)
        return wrong if isinstance(defined.type, GraphQLNonNull) else None


@dataclass(frozen=True, slots=True)
class InputField:
    """A field of an input: its name in Python, and its types."""

    python_name: str
    type: GraphQLInputType
    annotation: object


@dataclass(frozen=True, slots=True)
class InputObject:
    """How Strawberry builds an input: its fields by GraphQL name, and defaults for absent ones by Python name."""

    class_: type
    fields: dict[str, InputField]
    absent: dict[str, Callable[[], object]]


def wrong() -> NoReturn:
    """Raise an exception that leaves the operation to graphql-core."""
    raise TypeError


def _nothing() -> None:
    return None


def _maybe(inner: Convert, *, nullable: bool) -> Convert:
    # Strawberry refuses null for `Maybe[T]`, and accepts it for `Maybe[T | None]`.
    return lambda value: strawberry.Some(inner(value)) if nullable or value is not None else wrong()


def _list(item: Convert) -> Convert:
    def convert(value: object) -> object:
        if isinstance(value, list):
            return [item(one) for one in value]
        # A single value is coerced to a list of one.
        return [item(value)] if isinstance(value, str | int | float | dict) else wrong()

    return convert


def _leaf(type_: GraphQLScalarType | GraphQLEnumType) -> Convert:
    coerce: Convert = type_.coerce_input_value  # type: ignore[assignment]  # for enums, it is annotated to take only str

    def convert(value: object) -> object:
        # Null is never valid here, even if the scalar itself accepts None.
        coerced = Undefined if value is None else coerce(value)
        return wrong() if coerced is Undefined else coerced

    def convert_string(value: object) -> object:
        return value if value.__class__ is str else convert(value)

    return convert_string if type_.name in {"String", "ID"} else convert
