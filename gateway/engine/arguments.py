"""Compiles functions that build a resolver's arguments from a request's variables."""

from collections.abc import Callable, Collection, Mapping

import strawberry
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    coerce_input_literal,
    coerce_input_value,
    is_input_type,
    type_from_ast,
)
from strawberry.types.field import StrawberryField

from gateway.engine.inputs import InputCompiler, wrong
from gateway.engine.selections import NotCompiledError
from gateway.engine.strawberry_internals import StrawberryList, StrawberryMaybe, StrawberryOptional, arguments_of

Variables = Mapping[str, object]
Source = Callable[[Variables], object]
Supply = Callable[[], object]
_ABSENT = object()


class ArgumentCompiler:
    """Compiles the arguments of one operation's root fields."""

    def __init__(
        self,
        schema: strawberry.Schema,
        core: GraphQLSchema,
        operation: OperationDefinitionNode,
        inputs: InputCompiler,
        known: Collection[str],
    ) -> None:
        """`known` are the variables that need no check."""
        self._strawberry = schema
        self._schema = core
        self._inputs = inputs
        self._definitions = {it.variable.name.value: it for it in operation.variable_definitions or ()}
        self._unused = set(self._definitions).difference(known)

    def field(
        self, field: GraphQLField, resolved: StrawberryField, node: FieldNode
    ) -> Callable[[Variables], dict[str, object]]:
        """Return the function that builds a resolver's keyword arguments. Raises NotCompiledError."""
        values = {argument.name.value: argument.value for argument in node.arguments or ()}
        sources: list[tuple[str, Source]] = []
        for name, python_name, annotation in arguments_of(self._strawberry, resolved):
            defined = field.args[name]
            default = self._inputs.default(defined, annotation)
            if name in values:
                sources.append((python_name, self._source(values[name], defined.type, annotation, default)))
            elif default:
                sources.append((python_name, _supplied(default)))

        def arguments(variables: Variables) -> dict[str, object]:
            made = {}
            for python_name, source in sources:
                value = source(variables)
                if value is not _ABSENT:
                    made[python_name] = value
            return made

        return arguments

    def checks(self) -> list[Callable[[Variables], object]]:
        """Return functions that raise an exception if a variable that no root field uses does not coerce."""
        return [self._check(name) for name in sorted(self._unused)]

    def _check(self, name: str) -> Callable[[Variables], object]:
        type_ = self._type(name)
        optional = not isinstance(type_, GraphQLNonNull) or self._definitions[name].default_value is not None

        def check(variables: Variables) -> object:
            if name not in variables and optional:
                return None
            return wrong() if coerce_input_value(variables.get(name), type_) is Undefined else None

        return check

    def _source(self, node: ValueNode, type_: GraphQLInputType, annotation: object, default: Supply | None) -> Source:
        """Return the function for a value in the document; `default` replaces an absent variable."""
        if isinstance(node, VariableNode):
            return self._variable(node.name.value, type_, annotation, default)
        if not _has_variables(node):
            return _supplied(self._literal(node, type_, annotation))
        return self._composed(node, type_, annotation)

    def _literal(self, node: ValueNode, type_: GraphQLInputType, annotation: object) -> Supply:
        """Return the function for a value without variables. A scalar may make it of a mutable class."""
        if coerce_input_literal(node, type_) is Undefined:
            raise NotCompiledError("a literal that does not coerce")
        return self._inputs.constant(lambda: coerce_input_literal(node, type_), annotation)

    def _composed(self, node: ValueNode, type_: GraphQLInputType, annotation: object) -> Source:
        if isinstance(type_, GraphQLNonNull):
            return self._composed(node, type_.of_type, annotation)
        if isinstance(annotation, strawberry.LazyType):
            return self._composed(node, type_, annotation.resolve_type())
        if isinstance(annotation, StrawberryMaybe):
            inner = self._composed(node, type_, annotation.of_type)
            return lambda variables: strawberry.Some(inner(variables))
        if isinstance(annotation, StrawberryOptional):
            return self._composed(node, type_, annotation.of_type)
        if (
            isinstance(node, ObjectValueNode)
            and isinstance(type_, GraphQLInputObjectType)
            and isinstance(annotation, type)
        ):
            return self._object(node, type_, annotation)
        if (
            isinstance(node, ListValueNode)
            and isinstance(type_, GraphQLList)
            and isinstance(annotation, StrawberryList)
        ):
            return self._list(node, type_, annotation)
        raise NotCompiledError("a variable inside a value that is not compiled")

    def _object(self, node: ObjectValueNode, type_: GraphQLInputObjectType, class_: type) -> Source:
        described = self._inputs.describe(type_, class_)
        values = {field.name.value: field.value for field in node.fields}
        # A field whose variable is absent counts as absent itself.
        sources = [
            (field.python_name, self._source(values[name], field.type, field.annotation, None))
            for name, field in described.fields.items()
            if name in values
        ]

        def make(variables: Variables) -> object:
            given = {}
            for python_name, source in sources:
                value = source(variables)
                if value is not _ABSENT:
                    given[python_name] = value
            for python_name, supply in described.absent.items():
                if python_name not in given:
                    given[python_name] = supply()
            return class_(**given)

        return make

    def _list(self, node: ListValueNode, type_: GraphQLList[GraphQLInputType], annotation: StrawberryList) -> Source:
        of_type = type_.of_type
        # In a list, an absent variable is null.
        nothing = (
            wrong if isinstance(of_type, GraphQLNonNull) else self._inputs.constant(lambda: None, annotation.of_type)
        )
        sources = [self._source(item, of_type, annotation.of_type, nothing) for item in node.values]
        return lambda variables: [source(variables) for source in sources]

    def _variable(self, name: str, type_: GraphQLInputType, annotation: object, default: Supply | None) -> Source:
        """Return the function for a variable where `type_` is expected. Its value is coerced as its own type."""
        self._unused.discard(name)
        own_type = self._type(name)
        convert = self._inputs.value(own_type, annotation)
        never_null = isinstance(type_, GraphQLNonNull)
        literal = self._definitions[name].default_value
        supply: Supply = default or _absent
        if literal:
            if never_null and coerce_input_literal(literal, own_type) is None:
                raise NotCompiledError("a variable's default that is null where null is not allowed")
            supply = self._literal(literal, own_type, annotation)
        elif isinstance(own_type, GraphQLNonNull):
            supply = wrong

        def source(variables: Variables) -> object:
            if name not in variables:
                return supply()
            value = variables[name]
            return wrong() if value is None and never_null else convert(value)

        return source

    def _type(self, name: str) -> GraphQLInputType:
        type_ = type_from_ast(self._schema, self._definitions[name].type)
        if not is_input_type(type_):
            raise NotCompiledError("a variable that is not of an input type")
        return type_


def _absent() -> object:
    return _ABSENT


def _supplied(supply: Supply) -> Source:
    return lambda _: supply()


def _has_variables(node: ValueNode) -> bool:
    if isinstance(node, ListValueNode):
        return any(map(_has_variables, node.values))
    if isinstance(node, ObjectValueNode):
        return any(_has_variables(field.value) for field in node.fields)
    return isinstance(node, VariableNode)
