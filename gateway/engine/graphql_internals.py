"""All that is used of graphql-core beyond its documentation: names, and messages that are told apart by their words.

`tests/libraries/test_graphql_core.py` says what breaks with each when a new version changes it.
"""

import re

from graphql import (
    SKIP,
    GraphQLError,
    GraphQLInputType,
    ListValueNode,
    ObjectValueNode,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VisitorAction,
    validate_input_literal,
)

SUGGESTION = re.compile(r" Did you mean [^?]*\?")
"""One of these is made even where suggestions are hidden: "Did you mean 'field { ... }'?"."""
LEXICAL = re.compile(r"((?:Block)?String|escape sequence):? '.*'\.$", re.DOTALL)
"""The end of a syntax error that quotes a string of the document."""
LEXICAL_IN_DOUBT = re.compile(r"(Name|Int|Float|character):? '.*'\.$", re.DOTALL)
"""The end of a syntax error that quotes what may be a part of a string: its quotation mark was not escaped."""


def has_too_many_tokens(error: GraphQLError, limit: int) -> bool:
    """Tell whether the parser gave up at `max_lexical_tokens`: the error has no type of its own."""
    return f" more than {limit} tokens." in error.message


def is_aborted(error: GraphQLError) -> bool:
    """Tell whether a rule's budget was spent: the type of the error is not exported."""
    return error.message == "Validation aborted."


def bounded_merge_rule(comparisons: int) -> type[OverlappingFieldsCanBeMergedRule]:
    """Make graphql-core's one quadratic rule stop early: its own bound lets a small document take two seconds.

    The bound that it has a name for holds for the whole process.
    """

    class BoundedRule(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = comparisons

    return BoundedRule


class LocatedValues(ValuesOfCorrectTypeRule):
    """Locates the errors of scalars that do not say where they are, such as those of `ID` on lists and objects."""

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
    """Find a value in a literal; one that stands for a list of one has no place of its own."""
    for key in path:
        if isinstance(node, ListValueNode) and isinstance(key, int):
            node = node.values[key]
        elif isinstance(node, ObjectValueNode):
            node = next((field.value for field in node.fields if field.name.value == key), node)
    return node
