"""The validation rules, where graphql-core's own cost too much or say too little."""

from graphql import (
    ASTValidationRule,
    GraphQLError,
    GraphQLInputType,
    ListValueNode,
    NoSchemaIntrospectionCustomRule,
    ObjectValueNode,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    ValidationRule,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VisitorAction,
    specified_rules,
)
from graphql.language import SKIP
from graphql.utilities import validate_input_literal
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.engine.limits import Limits


def validation_rules(limits: Limits, *, introspection: bool) -> list[type[ValidationRule]]:
    """Return the rules that a document must keep."""
    ours: dict[type[ASTValidationRule], type[ValidationRule]] = {
        OverlappingFieldsCanBeMergedRule: _bounded(limits),
        ValuesOfCorrectTypeRule: _LocatedValues,
    }
    # Strawberry adds these two in its own validation, which is not used here.
    rules = [*(ours.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule, OneOfInputValidationRule]
    return rules if introspection else [*rules, NoSchemaIntrospectionCustomRule]


def _bounded(limits: Limits) -> type[OverlappingFieldsCanBeMergedRule]:
    """Make graphql-core's one quadratic rule stop early: its own bound lets a small document take two seconds."""

    class BoundedRule(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = limits.comparisons

    return BoundedRule


class _LocatedValues(ValuesOfCorrectTypeRule):
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
