"""Parses a document, chooses the operation to run, checks the limits, and validates the document."""

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    BooleanValueNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    print_ast,
    validate,
)

from gateway.engine.errors import DocumentError, Formatter
from gateway.engine.graphql_internals import has_too_many_tokens, is_aborted, parse_document
from gateway.engine.limits import Limits, document_refusals
from gateway.engine.rules import validation_rules
from gateway.engine.selections import condition
from gateway.errors import ErrorCode

MAX_PLANS = 8
"""Maximum number of plans of an operation, one for each combination of the variables on `@skip` and `@include`."""
MAX_FURTHER_PLANS_SIZE = 600_000
"""Maximum bytes of an operation's plans after the first: with them, any document still fits into the cache."""


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and the operation to run."""

    text: str
    root: DocumentNode
    operation: OperationDefinitionNode

    @property
    def conditions(self) -> dict[str, bool | None]:
        """The variables that `@skip` and `@include` depend on, with their defaults."""
        used = {
            value.name.value
            for selected in selection_sets(self.root)
            for node in selected.selections
            for directive in node.directives or ()
            if isinstance(value := condition(directive), VariableNode)
        }
        return {
            it.variable.name.value: it.default_value.value if isinstance(it.default_value, BooleanValueNode) else None
            for it in self.operation.variable_definitions or ()
            # Only another operation's condition can have the name of a variable that is no Boolean.
            if it.variable.name.value in used and print_ast(it.type).removesuffix("!") == "Boolean"
        }

    @property
    def plans(self) -> int:
        """Maximum number of plans of the operation."""
        return min(1 << len(self.conditions), MAX_PLANS, 1 + MAX_FURTHER_PLANS_SIZE // self._plan_size)

    @property
    def size(self) -> int:
        """Estimated bytes of the document and its operation's plans: measured per token, and rounded up."""
        first = 20_000 + 600 * self._tokens
        # One escaped character can make each character of a string take four bytes.
        return first + (self.plans - 1) * self._plan_size + 4 * len(self.text)

    @property
    def _plan_size(self) -> int:
        return 10_000 + 450 * self._tokens

    @property
    def _tokens(self) -> int:
        tokens = 0
        token = self.root.loc and self.root.loc.start_token
        while token:
            tokens += 1
            token = token.next
        return tokens

    def root_fields(self) -> dict[str, FieldNode]:
        """Return the operation's root fields by response key; of those selected more than once, any one node."""
        definitions = self.root.definitions
        fragments = {it.name.value: it for it in definitions if isinstance(it, FragmentDefinitionNode)}
        found: dict[str, FieldNode] = {}
        rest: list[SelectionNode] = list(self.operation.selection_set.selections)
        while rest:
            node = rest.pop()
            if isinstance(node, FieldNode):
                found[node.alias.value if node.alias else node.name.value] = node
            elif isinstance(node, InlineFragmentNode):
                rest += node.selection_set.selections
            elif isinstance(node, FragmentSpreadNode):
                rest += fragments[node.name.value].selection_set.selections
        return found


class Reader:
    """Turns texts into documents."""

    def __init__(self, schema: GraphQLSchema, formatter: Formatter, limits: Limits, *, introspection: bool) -> None:
        self._schema = schema
        self._formatter = formatter
        self._limits = limits
        self._hide_suggestions = not introspection
        self._rules = validation_rules(limits, introspection=introspection)

    def read(self, text: str, operation_name: str | None) -> Document:
        """Return the valid document in a text, with the operation to run. Raises DocumentError."""
        root = self._parse(text)
        operation = self._choose(text, root, operation_name)
        refusals = document_refusals(root, self._limits)
        # A document that is too large to run is too large to validate.
        errors = refusals[: self._limits.errors] or self._validate(root)
        if errors:
            raise self._error(text, errors, ErrorCode.GRAPHQL_VALIDATION_FAILED, operation.operation.value)
        return Document(text, root, operation)

    def _parse(self, text: str) -> DocumentNode:
        limits = self._limits
        try:
            return _with_selections(parse_document(text, limits.tokens))
        except GraphQLSyntaxError as error:
            code = ErrorCode.GRAPHQL_PARSE_FAILED
            if has_too_many_tokens(error, limits.tokens):
                code = ErrorCode.GRAPHQL_VALIDATION_FAILED
            raise self._error(text, [error], code) from None

    def _validate(self, root: DocumentNode) -> list[GraphQLError]:
        errors = validate(self._schema, root, self._rules, self._limits.errors, self._hide_suggestions)
        limit = self._limits.comparisons
        why = f"The document repeats too many fields: comparing them may take at most {limit} steps."
        return [GraphQLError(why) if is_aborted(error) else error for error in errors]

    def _choose(self, text: str, root: DocumentNode, name: str | None) -> OperationDefinitionNode:
        operations = [node for node in root.definitions if isinstance(node, OperationDefinitionNode)]
        if name is not None:
            operations = [node for node in operations if node.name and node.name.value == name]
        if not operations:
            problem = "The document has no operation" + ("." if name is None else " with the name in operationName.")
        elif len(operations) > 1:
            problem = "The document has several operations. Set operationName to the name of one of them."
        elif self._schema.get_root_type(operations[0].operation) is None:
            problem = f"This API has no {operations[0].operation.value}s."
        else:
            return operations[0]
        kinds = {node.operation.value for node in operations}
        kind = kinds.pop() if len(kinds) == 1 else None
        raise self._error(text, [GraphQLError(problem)], ErrorCode.BAD_REQUEST, kind)

    def _error(self, text: str, errors: list[GraphQLError], code: ErrorCode, kind: str | None = None) -> DocumentError:
        return DocumentError(self._formatter.request_errors(errors, code, text, None), kind)


def selection_sets(root: DocumentNode) -> Iterator[SelectionSetNode]:
    """Yield each selection set of a document once, without expanding fragments."""
    rest = [node.selection_set for node in root.definitions if isinstance(node, ExecutableDefinitionNode)]
    while rest:
        found = rest.pop()
        yield found
        inner = (getattr(it, "selection_set", None) for it in found.selections)
        rest += [it for it in inner if isinstance(it, SelectionSetNode)]


def _with_selections(root: DocumentNode) -> DocumentNode:
    """Return the document. Raises GraphQLSyntaxError for an empty selection set, which graphql-core accepts."""
    ends = [it.loc.end_token.start for it in selection_sets(root) if not it.selections and it.loc]
    if ends and root.loc:
        raise GraphQLSyntaxError(root.loc.source, min(ends), "Expected Name, found '}'.")
    return root
