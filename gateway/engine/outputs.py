"""Generates code that shapes the values that resolvers return into an operation's data.

The code is generated as source, which is several times faster than closures on lists. It accepts only values that are
exactly right; for any other, it raises an exception of any class, and the operation is left to graphql-core. Resolvers
below the root then run again, so they must not consume what they read.
"""

import keyword
from collections.abc import Callable
from functools import partial
from types import GeneratorType
from typing import NoReturn

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    Undefined,
)
from strawberry.types.field import StrawberryField

from gateway.engine.selections import NotCompiledError, Selections
from gateway.engine.strawberry_internals import definition_of, is_awaitable, resolver_of

MAX_CLASSES = 100
"""Maximum number of classes that a plan knows: a program can make new ones while it runs."""
Shape = Callable[[object], object]
_WRONG = {
    # The type must be exact: a bool is an int, and a str can be an enum.
    "Boolean": "{0}.__class__ is not bool",
    "Float": "{0}.__class__ is not float or {0} - {0} != 0.0",
    "ID": "{0}.__class__ is not str",
    "Int": "{0}.__class__ is not int or not -2147483648 <= {0} <= 2147483647",
    "String": "{0}.__class__ is not str",
}


class OutputCompiler:
    """Generates the functions of one operation, as one module."""

    def __init__(self, selections: Selections) -> None:
        self._selections = selections
        self._functions: dict[str, str] = {}
        objects: set[type] = set()
        self._names: dict[str, object] = {
            "wrong": _wrong,
            "is_no_value": _is_no_value,
            "Undefined": Undefined,
            "objects": objects,
            "check_object": partial(_check_object, objects),
        }

    def add(self, type_: GraphQLOutputType, nodes: list[FieldNode]) -> str:
        """Add the function that shapes a root resolver's value, and return its name. Raises NotCompiledError."""
        return self._function([*self._value("v", type_, nodes), "return v"])

    def compile(self) -> Callable[[str], Shape]:
        """Compile all functions, and return a function that finds them by name."""
        source = "".join(f"def {name}(v):\n{body}" for body, name in self._functions.items())
        exec(compile(source, "<plan>", "exec"), self._names)  # noqa: S102 (clients supply only GraphQL names)
        return lambda name: self._names[name]  # type: ignore[return-value]

    def _function(self, lines: list[str]) -> str:
        """Return the name of the function with this body: under several aliases, a selection needs only one."""
        body = "".join(f" {line}\n" for line in lines)
        return self._functions.setdefault(body, f"shape{len(self._functions)}")

    def _constant(self, value: object) -> str:
        name = f"known{id(value)}"
        self._names[name] = value
        return name

    def _value(self, variable: str, type_: GraphQLOutputType, nodes: list[FieldNode]) -> list[str]:
        """Return the lines that shape a variable's value."""
        if isinstance(type_, GraphQLNonNull):
            return self._present(variable, type_.of_type, nodes)
        return [f"if {variable} is not None:", *(f" {line}" for line in self._present(variable, type_, nodes))]

    def _present(self, variable: str, type_: GraphQLOutputType, nodes: list[FieldNode]) -> list[str]:
        if isinstance(type_, GraphQLList):
            return [
                f"if {variable}.__class__ is not list and {variable}.__class__ is not tuple: wrong()",
                f"{variable} = [{self._item(type_.of_type, nodes)} for item in {variable}]",
            ]
        if isinstance(type_, GraphQLObjectType):
            return [f"{variable} = {self._object(type_, nodes)}({variable})"]
        if isinstance(type_, GraphQLScalarType) and type_.name in _WRONG:
            return [f"if {_WRONG[type_.name].format(variable)}: wrong()"]
        if isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            serialize = f"serialize{type_.name}"
            self._names[serialize] = type_.coerce_output_value
            return [
                # The scalar's own function might accept an exception or an awaitable.
                f"c = {variable}.__class__",
                f"if c is not str and c is not int and is_no_value({variable}): wrong()",
                f"{variable} = {serialize}({variable})",
                f"if {variable} is None or {variable} is Undefined: wrong()",
            ]
        raise NotCompiledError("a field of an interface or union type")

    def _item(self, type_: GraphQLOutputType, nodes: list[FieldNode]) -> str:
        """Return the expression that shapes an `item` of a list."""
        if isinstance(type_, GraphQLNonNull) and isinstance(type_.of_type, GraphQLObjectType):
            return f"{self._object(type_.of_type, nodes)}(item)"
        if isinstance(type_, GraphQLObjectType):
            return f"None if item is None else {self._object(type_, nodes)}(item)"
        return f"{self._function([*self._value('v', type_, nodes), 'return v'])}(item)"

    def _object(self, type_: GraphQLObjectType, nodes: list[FieldNode]) -> str:
        if type_.is_type_of is not None:
            raise NotCompiledError("an object type with is_type_of")
        # Exceptions and awaitables can have the selected attributes.
        lines = ["if v.__class__ not in objects: check_object(v)"]
        items: list[str] = []
        for number, (key, same) in enumerate(self._selections.of(type_, nodes).items()):
            if same[0].name.value == "__typename":
                items.append(f"{key!r}: {type_.name!r}")
                continue
            field = type_.fields[same[0].name.value]
            lines.append(f"a{number} = {self._resolved(definition_of(field))}")
            lines += self._value(f"a{number}", field.type, same)
            items.append(f"{key!r}: a{number}")
        return self._function([*lines, f"return {{{', '.join(items)}}}"])

    def _resolved(self, field: StrawberryField) -> str:
        """Return the expression that resolves a field of `v` as Strawberry would."""
        resolver = resolver_of(field)
        if field.arguments or (resolver and (resolver.is_async or resolver.info)):
            raise NotCompiledError("a resolver below the root that is async, or takes arguments or info")
        if resolver is None:
            return self._attribute(field)
        arguments = ["v"] * resolver.self + [f"{name}=v" for name in sorted(resolver.parents)]
        return f"{self._constant(resolver.function)}({', '.join(arguments)})"

    def _attribute(self, field: StrawberryField) -> str:
        name = field.python_name
        if field.default_resolver is getattr and name.isidentifier() and not keyword.iskeyword(name):
            return f"v.{name}"
        return f"{self._constant(field.default_resolver)}(v, {name!r})"


def _is_no_value(value: object) -> bool:
    return value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value)


def _check_object(known: set[type], value: object) -> None:
    """Raise an exception unless graphql-core would take a value for an object. Remember the classes of objects."""
    # Whether a generator is awaitable depends on its function.
    if _is_no_value(value) or isinstance(value, GeneratorType):
        _wrong()
    if len(known) < MAX_CLASSES:
        known.add(value.__class__)


def _wrong() -> NoReturn:
    raise TypeError
