"""What resolvers are told about the field that they resolve."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.execution import get_variable_values
from graphql.pyutils import Path
from strawberry.execution import optimized_is_awaitable


@dataclass(frozen=True, slots=True)
class FieldPosition:
    """What is known of a root field before its operation runs."""

    key: str
    nodes: list[FieldNode]
    field: GraphQLField
    parent_type: GraphQLObjectType
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    operation: OperationDefinitionNode


class ResolveInfo:
    """Stands for graphql-core's `GraphQLResolveInfo` of a root field under `strawberry.Info`.

    It holds two references, and makes the rest when somebody asks.
    """

    __slots__ = ("_position", "_variables", "context")

    abort_signal = None
    is_awaitable = staticmethod(optimized_is_awaitable)
    operation_extensions = None
    root_value = None

    def __init__(self, position: FieldPosition, variables: Mapping[str, object], context: object) -> None:
        self._position = position
        self._variables = variables
        self.context = context

    @property
    def field_name(self) -> str:
        """The field's name in the schema."""
        return self._position.nodes[0].name.value

    @property
    def field_nodes(self) -> list[FieldNode]:
        """The places in the document that select the field."""
        return self._position.nodes

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """The document's fragments, by name."""
        return self._position.fragments

    @property
    def operation(self) -> OperationDefinitionNode:
        """The operation that runs."""
        return self._position.operation

    @property
    def parent_type(self) -> GraphQLObjectType:
        """The root type."""
        return self._position.parent_type

    @property
    def path(self) -> Path:
        """The field's place in the answer."""
        return Path(None, self._position.key, self._position.parent_type.name)

    @property
    def return_type(self) -> object:
        """The field's type."""
        return self._position.field.type

    @property
    def schema(self) -> GraphQLSchema:
        """The schema that is run."""
        return self._position.schema

    @property
    def variable_values(self) -> dict[str, object]:
        """The coerced variables."""
        position = self._position
        values = get_variable_values(
            position.schema, position.operation.variable_definitions or (), dict(self._variables)
        )
        # They have coerced before; a list would tell why not.
        return {} if isinstance(values, list) else values.coerced
