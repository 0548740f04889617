"""Limits the cost of documents and variables, before anything is executed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Token,
    TokenKind,
    VariableDefinitionNode,
)

_Directed: TypeAlias = SelectionNode | VariableDefinitionNode | OperationDefinitionNode | FragmentDefinitionNode


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on documents, variables and responses. Each error names the limit and its value."""

    characters: int = 50_000
    """Maximum characters of a document: each takes time to parse, and long texts belong in variables."""
    tokens: int = 2_000
    """Maximum tokens of a document, without comments. GraphiQL's introspection query has 200."""
    name_characters: int = 1_000
    """Maximum characters of `operationName`, which is part of a cache key."""
    number_characters: int = 100
    """Maximum characters of a number in a document. An `Int64` has at most 20; Python parses at most 4,300 digits."""
    depth: int = 12
    """Maximum levels of fields, except below `__schema` and `__type`. The API's deepest response has 6."""
    nesting: int = 40
    """Maximum levels of nested selection sets and fragment spreads. GraphiQL's introspection query has 18."""
    fields: int = 500
    """Maximum fields of an operation, with its fragments expanded. GraphiQL's introspection query has 230."""
    root_fields: int = 20
    """Maximum root fields of an operation: each can be a REST call."""
    aliases: int = 50
    """Maximum aliases of an operation, with its fragments expanded: they multiply work, and few clients use any."""
    directives: int = 50
    """Maximum directives of a document: each is validated against the others in its place."""
    directives_at_once: int = 5
    """Maximum directives in one place of a document. A field can have two, neither of them repeated."""
    comparisons: int = 50_000
    """Maximum steps to check that fields can be merged: the check is quadratic, and 800,000 take half a second."""
    list_items: int = 100
    """Maximum items of a list in the variables: no input of the API takes more."""
    values: int = 1_500
    """Maximum values in the variables, at all levels together. `createInvitations` takes 1,101 at most."""
    variables_nesting: int = 20
    """Maximum levels of objects and lists in the variables: no input of the API has more than 4."""
    answer_bytes: int = 16_000_000
    """Maximum bytes of a response's data, if aliases can multiply it. A REST response has at most half as many."""
    errors: int = 10
    """Maximum number of errors per response."""


@dataclass(slots=True)
class _Size:
    """The size of a selection set, with its fragments expanded."""

    fields: int = 0
    aliases: int = 0
    outermost: int = 0
    depth: int = 0
    nesting: int = 1


class _Measure:
    """Measures selection sets in linear time: each fragment only once, however often it is spread."""

    def __init__(self, document: DocumentNode, nesting: int) -> None:
        self.directives = 0
        self.directives_at_once = 0
        self._nesting = nesting
        self._fragments: dict[str, _Size] = {}
        self._definitions = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def selection_set(self, node: SelectionSetNode, level: int = 1) -> _Size:
        """Return the size of a selection set at nesting level `level`; levels beyond the limit are not measured."""
        total = _Size()
        if level > self._nesting:
            return total
        for selection in node.selections:
            self._add(total, selection, level)
        return total

    def _add(self, total: _Size, node: SelectionNode, level: int) -> None:
        self.directives_of(node)
        inner = self._inside(node, level + 1)
        total.nesting = max(total.nesting, 1 + inner.nesting)
        total.fields += inner.fields
        total.aliases += inner.aliases
        if isinstance(node, FieldNode):
            introspection = node.name.value in {"__schema", "__type"}
            total.fields += 1
            total.aliases += node.alias is not None
            total.outermost += 1
            total.depth = max(total.depth, 1 if introspection else 1 + inner.depth)
        else:
            total.outermost += inner.outermost
            total.depth = max(total.depth, inner.depth)

    def directives_of(self, *nodes: _Directed) -> None:
        """Count the directives on each of the nodes."""
        for node in nodes:
            number = len(node.directives or ())
            self.directives += number
            self.directives_at_once = max(self.directives_at_once, number)

    def _inside(self, node: SelectionNode, level: int) -> _Size:
        if isinstance(node, FragmentSpreadNode):
            return self.fragment(node.name.value, level)
        inner: SelectionSetNode | None = getattr(node, "selection_set", None)
        return self.selection_set(inner, level) if inner else _Size(nesting=0)

    def fragment(self, name: str, level: int = 1) -> _Size:
        """Return the size of a fragment. Validation rejects one that does not exist or spreads itself."""
        if name not in self._fragments:
            self._fragments[name] = _Size()
            if name in self._definitions:
                self._fragments[name] = self.selection_set(self._definitions[name].selection_set, level)
        return self._fragments[name]


def document_refusals(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Return an error for each limit that a document exceeds, located at the definition that exceeds it."""
    measure = _Measure(document, limits.nesting)
    errors = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            broken = _broken(measure.selection_set(node.selection_set), limits)
            measure.directives_of(*(node.variable_definitions or ()))
        elif isinstance(node, FragmentDefinitionNode):
            # Its cost is counted where it is spread; to validation, only its nesting matters.
            broken = _too_many("levels of selection sets", measure.fragment(node.name.value).nesting, limits.nesting)
        else:
            continue  # validation rejects it
        measure.directives_of(node)
        errors += [GraphQLError(message, node) for message in broken]
    directives = [
        *_too_many("directives", measure.directives, limits.directives),
        *_too_many("directives at one place", measure.directives_at_once, limits.directives_at_once),
    ]
    errors += [GraphQLError(it) for it in directives]
    return errors + _long_number(document, limits.number_characters)


def _long_number(document: DocumentNode, limit: int) -> list[GraphQLError]:
    if document.loc is None:
        return []
    token: Token | None = document.loc.start_token
    while token:
        if token.kind in {TokenKind.INT, TokenKind.FLOAT} and len(token.value or "") > limit:
            message = f"The document has a number that is too long: at most {limit} characters are allowed."
            return [GraphQLError(message, source=document.loc.source, positions=[token.start])]
        token = token.next
    return []


def _broken(size: _Size, limits: Limits) -> list[str]:
    return [
        *_too_many("levels of fields", size.depth, limits.depth),
        *_too_many("levels of selection sets", size.nesting, limits.nesting),
        *_too_many("fields, with its fragments expanded", size.fields, limits.fields),
        *_too_many("aliases, with its fragments expanded", size.aliases, limits.aliases),
        *_too_many("root fields", size.outermost, limits.root_fields),
    ]


def _too_many(what: str, number: int, limit: int) -> list[str]:
    return [f"The document has too many {what}: at most {limit} are allowed."] if number > limit else []


def variables_refusal(variables: Mapping[str, object], limits: Limits) -> str | None:
    """Return the message for the first limit that the variables exceed, or None."""
    total = 0
    containers: list[tuple[Collection[object], int]] = [(variables.values(), 1)]
    while containers:
        values, level = containers.pop()
        total += len(values)
        if total > limits.values:
            return f"The variables contain too many values: at most {limits.values} are allowed."
        if level > limits.variables_nesting:
            return f"The variables are nested too deeply: at most {limits.variables_nesting} levels are allowed."
        for value in values:
            if isinstance(value, dict):
                containers.append((value.values(), level + 1))
            elif isinstance(value, list):
                if len(value) > limits.list_items:
                    return f"A list in the variables is too long: at most {limits.list_items} items are allowed."
                containers.append((value, level + 1))
    return None
