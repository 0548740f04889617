"""Random GraphQL operations with variables: valid documents whose values may be wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    get_named_type,
    get_nullable_type,
)

ABSENT = object()
STRINGS = ["", "a", "hi", 'quote " and \\', "line\nbreak", "ünïcode", "null", "0", "-12", "RED"]
WRONG: list[object] = [
    None,
    1,
    1.0,
    1.5,
    True,
    "x",
    "",
    [],
    [1],
    [None],
    [[1]],
    {},
    {"id": 1},
    {"body": 1},
    2**63,
    "1e3",
]


@dataclass
class Scope:
    """An object in the response: the field behind each key, and its selections."""

    type: GraphQLObjectType
    fields: dict[str, tuple[str, str, "Scope | None"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """An operation and its variables."""

    text: str
    variables: dict[str, object]
    kind: str
    conditions: tuple[str, ...] = ()
    """The variables that `@skip` and `@include` depend on."""


class Generator:
    """Generate one case, with many conditions or with few."""

    def __init__(self, schema: GraphQLSchema, random: Random, *, wrong: float, conditional: bool = False) -> None:
        self._schema = schema
        self._random = random
        self._wrong = wrong if random.random() < 0.3 else 0.0
        self._definitions: list[str] = []
        self._given: dict[str, object] = {}
        self._fragments: list[str] = []
        self._aliases = 0
        self._conditional = conditional
        self._conditions: list[str] = []

    def case(self) -> Case:
        random = self._random
        kind = random.choice(["query", "query", "mutation"])
        root = self._schema.mutation_type if kind == "mutation" else self._schema.query_type
        assert root
        selection = self._selection(Scope(root), 0)
        variables = f"({', '.join(self._definitions)})" if self._definitions else ""
        if random.random() < 0.1:
            self._given["unknown"] = random.choice(WRONG)
        return Case(
            f"{kind} It{variables} {selection} {' '.join(self._fragments)}", self._given, kind, tuple(self._conditions)
        )

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _selection(self, scope: Scope, depth: int) -> str:
        number = self._random.choice([1, 1, 2, 3]) if depth == 0 else self._random.choice([1, 2, 3, 5])
        parts = [self._part(scope, depth) for _ in range(number)]
        return f"{{ {' '.join(parts)} }}"

    def _part(self, scope: Scope, depth: int, level: int = 0) -> str:
        if level < 2 and self.chance(0.15):
            condition = self._random.choice([f" on {scope.type.name}", ""])
            return f"...{condition}{self._directives()} {{ {self._part(scope, depth, level + 1)} }}"
        if level < 2 and self.chance(0.12):
            name = f"F{len(self._fragments)}"
            self._fragments.append("")
            inner = self._part(scope, depth, level + 1)
            self._fragments[int(name[1:])] = f"fragment {name} on {scope.type.name} {{ {inner} }}"
            again = f" ...{name}" if self.chance(0.3) else ""
            return f"...{name}{self._directives()}{again}"
        if self.chance(0.12):
            return "__typename"
        return self._field(scope, depth)

    def _field(self, scope: Scope, depth: int) -> str:
        name: str = self._random.choice(
            [name for name, it in scope.type.fields.items() if depth < 4 or not is_object(it)] or ["__typename"]
        )
        if name == "__typename":
            return name
        key = name
        if self.chance(0.25) or (key in scope.fields and self.chance(0.4)):
            self._aliases += 1
            key = f"a{self._aliases}"
        if key not in scope.fields:
            definition = scope.type.fields[name]
            named = get_named_type(definition.type)
            inner = Scope(named) if isinstance(named, GraphQLObjectType) else None
            scope.fields[key] = (name, self._arguments(definition), inner)
        name, arguments, inner = scope.fields[key]
        alias = "" if key == name else f"{key}: "
        selection = f" {self._selection(inner, depth + 1)}" if inner else ""
        return f"{alias}{name}{arguments}{self._directives()}{selection}"

    def _directives(self) -> str:
        if not self.chance(0.3 if self._conditional else 0.08):
            return ""
        names = ["skip", "include"]
        self._random.shuffle(names)
        return "".join(f" @{name}(if: {self._condition()})" for name in names[: 2 if self.chance(0.2) else 1])

    def _condition(self) -> str:
        if not self.chance(0.9 if self._conditional else 0.1):
            return self._random.choice(["true", "false"])
        if len(self._conditions) < 3 and self.chance(0.6):
            type_, literal = self._random.choice(
                [("Boolean!", None), ("Boolean", "true"), ("Boolean", "false"), ("Boolean!", "false")]
            )
            self._conditions.append(self._variable(type_, literal, self._random.choice([True, False])))
            return f"${self._conditions[-1]}"
        return f"${self._random.choice(self._conditions)}" if self._conditions else "true"

    def _arguments(self, definition: GraphQLField) -> str:
        given = []
        for name, argument in definition.args.items():
            if is_required(argument) or self.chance(0.5):
                given.append(f"{name}: {self._value(argument.type, has_default(argument), 0)}")
        self._random.shuffle(given)
        return f"({', '.join(given)})" if given else ""

    def _value(self, type_: GraphQLInputType, default: bool, depth: int) -> str:
        """Return a value for a position of this type."""
        if self.chance(0.4 if depth == 0 else 0.25):
            return f"${self._variable_for(type_, default)}"
        return self._literal(type_, depth, lambda inner, it: self._value(inner, it, depth + 1))

    def _variable_for(self, type_: GraphQLInputType, default: bool) -> str:
        """Declare a variable that is allowed in a position of this type, and return its name."""
        own: GraphQLInputType = type_
        literal = None
        if not isinstance(type_, GraphQLNonNull) and self.chance(0.2):
            own = GraphQLNonNull(type_)
        elif isinstance(type_, GraphQLNonNull) and self.chance(0.4):
            if self.chance(0.5):
                own, literal = type_.of_type, self._constant(type_)
            elif default:
                own = type_.of_type
        if literal is None and self.chance(0.2):
            literal = self._constant(own)
        optional = literal is not None or not isinstance(own, GraphQLNonNull)
        value = ABSENT if optional and self.chance(0.3) else self.json(own, 0)
        if self.chance(self._wrong * 0.2):
            value = ABSENT
        return self._variable(str(own), literal, value)

    def _variable(self, type_: str, literal: str | None, value: object) -> str:
        name = f"v{len(self._definitions)}"
        self._definitions.append(f"${name}: {type_}" + (f" = {literal}" if literal is not None else ""))
        if value is not ABSENT:
            self._given[name] = value
        return name

    def _constant(self, type_: GraphQLInputType, depth: int = 0) -> str:
        return self._literal(type_, depth, lambda inner, _: self._constant(inner, depth + 1))

    def _literal(self, type_: GraphQLInputType, depth: int, value: Callable[[GraphQLInputType, bool], str]) -> str:
        random = self._random
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.chance(0.15):
            return "null"
        if isinstance(type_, GraphQLList):
            one = type_.of_type
            if self.chance(0.1) and not isinstance(get_nullable_type(one), GraphQLList):
                return self._constant(one if isinstance(one, GraphQLNonNull) else GraphQLNonNull(one), depth)
            return f"[{', '.join(value(type_.of_type, False) for _ in range(random.choice([0, 1, 2])))}]"
        if isinstance(type_, GraphQLInputObjectType):
            fields = [f"{name}: {value(it, False)}" for name, it in self._chosen(type_, depth)]
            return f"{{{', '.join(fields)}}}"
        if isinstance(type_, GraphQLEnumType):
            return str(random.choice(list(type_.values)))
        return {
            "String": lambda: string(random.choice(STRINGS), random),
            "ID": lambda: random.choice([string(random.choice(STRINGS), random), "12", "-3"]),
            "Int": lambda: random.choice(["0", "-1", "2147483647"]),
            "Float": lambda: random.choice(["0", "1.5", "-2e3"]),
            "Boolean": lambda: random.choice(["true", "false"]),
            "Int64": lambda: random.choice(["0", "9223372036854775807", '"12"']),
            "JSON": lambda: random.choice(['"x"', "1", "[1, {a: null}]", "{a: RED}"]),
        }[type_.name]()

    def _chosen(self, type_: GraphQLInputObjectType, depth: int) -> list[tuple[str, GraphQLInputType]]:
        if type_.is_one_of:
            name = self._random.choice(list(type_.fields))
            return [(name, GraphQLNonNull(type_.fields[name].type))]
        fields = [it for it in type_.fields.items() if is_required(it[1]) or self.chance(0.45 / (depth + 1))]
        self._random.shuffle(fields)
        # Strawberry rejects null for `Maybe[T]`, although its schema allows it.
        return [
            (name, GraphQLNonNull(it.type) if name == "must" and self.chance(0.7) else it.type) for name, it in fields
        ]

    def json(self, type_: GraphQLInputType, depth: int) -> object:
        """Return a value for a variable of this type, sometimes a wrong one."""
        random = self._random
        if self.chance(self._wrong * 0.3):
            return random.choice(WRONG)
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        elif self.chance(0.15):
            return None
        if isinstance(type_, GraphQLList):
            if self.chance(0.1):
                return self.json(type_.of_type, depth)
            return [self.json(type_.of_type, depth + 1) for _ in range(random.choice([0, 1, 2]))]
        if isinstance(type_, GraphQLInputObjectType):
            made = {name: self.json(it, depth + 1) for name, it in self._chosen(type_, depth)}
            return made | {"unknown": 1} if self.chance(self._wrong * 0.1) else made
        return self._leaf(type_)

    def _leaf(self, type_: GraphQLInputType) -> object:
        if isinstance(type_, GraphQLEnumType):
            return self._random.choice(list(type_.values))
        values: dict[str, list[object]] = {
            "String": [*STRINGS],
            "ID": [*STRINGS, 1, -5, 2.0],
            "Int": [0, -1, 2147483647, 3.0],
            "Float": [0, 1.5, -2e3],
            "Boolean": [True, False],
            "Int64": [0, 2**63 - 1, -(2**63), "12"],
            "JSON": [None, 1, "x", [1, {"a": None}], {"b": [True]}],
        }
        return self._random.choice(values[str(type_)])


def is_object(definition: GraphQLField) -> bool:
    return isinstance(get_named_type(definition.type), GraphQLObjectType)


def has_default(defined: GraphQLArgument | GraphQLInputField) -> bool:
    return defined.default_value is not Undefined


def is_required(defined: GraphQLArgument | GraphQLInputField) -> bool:
    return isinstance(defined.type, GraphQLNonNull) and not has_default(defined)


def string(value: str, random: Random) -> str:
    if random.random() < 0.1 and '"' not in value and "\\" not in value:
        return f'"""{value}"""'
    return json.dumps(value)
