"""The validation rules, with replacements for two of graphql-core's that cost too much or report too little."""

from graphql import (
    ASTValidationRule,
    NoSchemaIntrospectionCustomRule,
    OverlappingFieldsCanBeMergedRule,
    ValidationRule,
    ValuesOfCorrectTypeRule,
    specified_rules,
)

from gateway.engine.graphql_internals import LocatedValues, bounded_merge_rule
from gateway.engine.limits import Limits
from gateway.engine.strawberry_internals import MaybeNullValidationRule, OneOfInputValidationRule


def validation_rules(limits: Limits, *, introspection: bool) -> list[type[ValidationRule]]:
    """Return the rules that a document must satisfy."""
    ours: dict[type[ASTValidationRule], type[ValidationRule]] = {
        OverlappingFieldsCanBeMergedRule: bounded_merge_rule(limits.comparisons),
        ValuesOfCorrectTypeRule: LocatedValues,
    }
    # Strawberry adds these two in its own validation, which is not used here.
    rules = [*(ours.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule, OneOfInputValidationRule]
    return rules if introspection else [*rules, NoSchemaIntrospectionCustomRule]
