"""Collects the fields that an operation selects, with fragments expanded and merged, from the document alone.

Source: GraphQL specification, "CollectFields".
"""

from collections.abc import Iterable, Mapping

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    is_abstract_type,
)


class NotCompiledError(Exception):
    """The operation contains something that is left to graphql-core. The message, for the log, says what."""


class Selections:
    """Collects the fields of a document's selection sets.

    `conditions` has the values of the variables that `@skip` and `@include` depend on.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, bool],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._conditions = conditions

    def collect(
        self, type_: GraphQLObjectType, selection_sets: Iterable[SelectionSetNode]
    ) -> dict[str, list[FieldNode]]:
        """Return the fields by response key, in the order of the response. Raises NotCompiledError."""
        fields: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selection_set in selection_sets:
            self._visit(type_, selection_set, fields, spread)
        return fields

    def of(self, type_: GraphQLObjectType, nodes: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
        """Return the merged sub-selections of a field."""
        return self.collect(type_, (node.selection_set for node in nodes if node.selection_set))

    def _visit(
        self,
        type_: GraphQLObjectType,
        selection_set: SelectionSetNode,
        fields: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                fields.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node.type_condition, type_):
                    self._visit(type_, node.selection_set, fields, spread)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                fragment = self._fragments[node.name.value]
                if self._applies(fragment.type_condition, type_):
                    spread.add(node.name.value)
                    self._visit(type_, fragment.selection_set, fields, spread)

    def _applies(self, condition: NamedTypeNode | None, type_: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == type_.name:
            return True
        named = self._schema.get_type(condition.name.value)
        return is_abstract_type(named) and self._schema.is_sub_type(named, type_)

    def _is_included(self, node: SelectionNode) -> bool:
        return all(self._includes(directive) for directive in node.directives or ())

    def _includes(self, directive: DirectiveNode) -> bool:
        value = condition(directive)
        if isinstance(value, BooleanValueNode):
            included = value.value
        elif isinstance(value, VariableNode) and value.name.value in self._conditions:
            included = self._conditions[value.name.value]
        else:
            raise NotCompiledError("a directive other than @skip and @include")
        return included is (directive.name.value == "include")


def condition(directive: DirectiveNode) -> ValueNode | None:
    """Return what a `@skip` or `@include` depends on; None for other directives."""
    arguments = directive.arguments or ()
    return arguments[0].value if directive.name.value in {"skip", "include"} and len(arguments) == 1 else None
