"""The validation rules, where graphql-core's own cost too much or say too little."""

from graphql import (
    ASTValidationRule,
    NoSchemaIntrospectionCustomRule,
    OverlappingFieldsCanBeMergedRule,
    ValidationRule,
    ValuesOfCorrectTypeRule,
    specified_rules,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.engine.graphql_internals import LocatedValues, bounded_merge_rule
from gateway.engine.limits import Limits


def validation_rules(limits: Limits, *, introspection: bool) -> list[type[ValidationRule]]:
    """Return the rules that a document must keep."""
    ours: dict[type[ASTValidationRule], type[ValidationRule]] = {
        OverlappingFieldsCanBeMergedRule: bounded_merge_rule(limits.comparisons),
        ValuesOfCorrectTypeRule: LocatedValues,
    }
    # Strawberry adds these two in its own validation, which is not used here.
    rules = [*(ours.get(rule, rule) for rule in specified_rules), MaybeNullValidationRule, OneOfInputValidationRule]
    return rules if introspection else [*rules, NoSchemaIntrospectionCustomRule]
