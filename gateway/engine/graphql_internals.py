"""Everything undocumented that the engine uses of graphql-core: names, and the wording of messages.

`tests/libraries/test_graphql_core.py` shows what breaks when a new version changes it.
"""

import re

from graphql import (
    SKIP,
    DocumentNode,
    GraphQLError,
    GraphQLInputType,
    Lexer,
    ListValueNode,
    ObjectValueNode,
    OverlappingFieldsCanBeMergedRule,
    Source,
    Token,
    ValidationContext,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VisitorAction,
    validate_input_literal,
)
from graphql.language.parser import Parser, nested_too_deeply_error  # what `parse` uses, to reach the tokens

SUGGESTION = re.compile(r" Did you mean [^?]*\?")
"""graphql-core adds one of these even if suggestions are hidden: "Did you mean 'field { ... }'?"."""
LEXICAL = re.compile(r"((?:Block)?String|escape sequence):? '.*'\.$", re.DOTALL)
"""The end of a syntax error that quotes a string from the document."""
LEXICAL_IN_DOUBT = re.compile(r"(Name|Int|Float|character):? '.*'\.$", re.DOTALL)
"""The end of a syntax error that may quote part of a string, if a quotation mark in it was not escaped."""


def parse_document(text: str, max_tokens: int) -> DocumentNode:
    """Return the document in a text. Raises GraphQLSyntaxError."""
    lexer = Lexer(Source(text))
    parser = Parser(lexer.source, lexer=lexer, max_lexical_tokens=max_tokens)
    try:
        return parser.parse_document()
    except RecursionError:
        pass  # raise the other error outside: with this one as its context, it would keep all frames
    finally:
        unlink_tokens(lexer)
    raise nested_too_deeply_error(parser)


def unlink_tokens(lexer: Lexer) -> None:
    """Remove the link from each token to the one before: such cycles would keep the text's strings."""
    token: Token | None = lexer.token
    while token and token.next:
        token = token.next
    while token:
        before, token.prev = token.prev, None
        token = before


def has_too_many_tokens(error: GraphQLError, limit: int) -> bool:
    """Return whether the parser stopped at `max_lexical_tokens`: the error has no type of its own."""
    return f" more than {limit} tokens." in error.message


def is_aborted(error: GraphQLError) -> bool:
    """Return whether validation stopped because a rule's budget was spent: the error's type is not exported."""
    return error.message == "Validation aborted."


def bounded_merge_rule(comparisons: int) -> type[OverlappingFieldsCanBeMergedRule]:
    """Return graphql-core's one quadratic rule with a lower budget: its own lets a small document take two seconds.

    `MAX_COMPLEXITY_BUDGET`, graphql-core's setting for it, applies to the whole process.
    """

    class BoundedRule(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = comparisons

    return BoundedRule


class LocatedValues(ValuesOfCorrectTypeRule):
    """Adds locations to the errors of scalars that have none, such as those of `ID` for lists and objects."""

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Check a literal."""

        def report(error: GraphQLError, path: list[str | int]) -> None:
            if not error.locations:
                error = GraphQLError(error.message, _value_at(node, path), original_error=error.original_error)
            self.report_error(error)

        if input_type:
            validate_input_literal(node, input_type, report, None, None, self.context.hide_suggestions)
        return SKIP


def _value_at(node: ValueNode, path: list[str | int]) -> ValueNode:
    """Return the value at a path in a literal. A single value in place of a list has no position of its own."""
    for key in path:
        if isinstance(node, ListValueNode) and isinstance(key, int):
            node = node.values[key]
        elif isinstance(node, ObjectValueNode):
            node = next((field.value for field in node.fields if field.name.value == key), node)
    return node
