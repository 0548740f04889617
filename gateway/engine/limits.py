"""What a document and its variables may cost, decided before anything is computed."""

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
    """Bounds on documents, variables and answers; each refusal names the bound and its value."""

    characters: int = 50_000
    """Of a document's text. Reading it takes time for each, and texts have their place in variables."""
    tokens: int = 2_000
    """Of a document, without comments. GraphiQL's introspection query has 200."""
    name_characters: int = 1_000
    """Of `operationName`, which is a part of the key of a kept document."""
    number_characters: int = 100
    """Of a number in a document. An `Int64` has 20 at most, and Python reads no integer of more than 4,300."""
    depth: int = 12
    """Of fields below an operation, introspection exempt. The API's deepest answer has 6."""
    nesting: int = 40
    """Of selection sets and fragment spreads in each other. GraphiQL's introspection query has 18."""
    fields: int = 500
    """Of an operation with its fragments expanded. GraphiQL's introspection query has 230."""
    root_fields: int = 20
    """Of an operation: each of them can be a REST call."""
    aliases: int = 50
    """Of an operation with its fragments expanded: they multiply work, and few clients write any."""
    directives: int = 50
    """Of a document: each is validated against the others beside it."""
    directives_at_once: int = 5
    """At one place of a document. Two can stand at a field, and none of them twice."""
    comparisons: int = 50_000
    """Steps of the check that fields of one name can be merged: it is quadratic; half a second would be 800,000."""
    list_items: int = 100
    """Of one list in the variables: no input of the API takes a longer one."""
    values: int = 1_000
    """In the variables, all told. `createInvitation` takes a dozen."""
    variables_nesting: int = 20
    """Of objects and lists in the variables: no input of the API nests deeper than 4."""
    answer_bytes: int = 16_000_000
    """Of an answer's data, where a document has a value under several names. An answer of the REST API has half."""
    errors: int = 10
    """Reported in one answer: a person mends the first few."""


@dataclass(slots=True)
class _Size:
    """What a selection set comes to with its fragments expanded."""

    fields: int = 0
    aliases: int = 0
    outermost: int = 0
    depth: int = 0
    nesting: int = 1


class _Measure:
    """Measures selection sets in linear time: each fragment once, however often it is spread."""

    def __init__(self, document: DocumentNode, nesting: int) -> None:
        self.directives = 0
        self.directives_at_once = 0
        self._nesting = nesting
        self._fragments: dict[str, _Size] = {}
        self._definitions = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def selection_set(self, node: SelectionSetNode, level: int = 1) -> _Size:
        """Measure a selection set that is `level` deep; stops short below the bound on nesting."""
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
        """Count the directives that stand at each of the nodes."""
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
        """Measure a fragment by its name; one that does not exist, or spreads itself, is for the validation."""
        if name not in self._fragments:
            self._fragments[name] = _Size()
            if name in self._definitions:
                self._fragments[name] = self.selection_set(self._definitions[name].selection_set, level)
        return self._fragments[name]


def document_refusals(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Compare a document with its bounds: an error for each that it breaks, at the definition that breaks it."""
    measure = _Measure(document, limits.nesting)
    errors = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            broken = _broken(measure.selection_set(node.selection_set), limits)
            measure.directives_of(*(node.variable_definitions or ()))
        elif isinstance(node, FragmentDefinitionNode):
            # What it costs is counted where it is used; only its nesting matters to the validation.
            broken = _too_many("levels of selection sets", measure.fragment(node.name.value).nesting, limits.nesting)
        else:
            continue  # validation refuses it
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
    """Compare variables with their bounds: the message of the first that they break."""
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
