"""A document's text, parsed, validated, and the operation in it that is to be run."""

from collections.abc import Sequence
from dataclasses import dataclass

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from gateway.engine.errors import DocumentError, format_errors
from gateway.engine.limits import Limits
from gateway.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and the operation chosen from it."""

    root: DocumentNode
    operation: OperationDefinitionNode


def read(
    schema: GraphQLSchema, text: str, operation_name: str | None, *, introspection: bool, limits: Limits
) -> Document:
    """Parse and validate a document and choose its operation; raises DocumentError."""
    try:
        root = parse(text, max_lexical_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        raise DocumentError(format_errors([error], ErrorCode.GRAPHQL_PARSE_FAILED)) from None
    try:
        operation = _choose(schema, root, operation_name)
    except GraphQLError as error:
        raise DocumentError(format_errors([error], ErrorCode.BAD_REQUEST)) from None
    errors = validate(schema, root, _rules(introspection=introspection), limits.errors, not introspection)
    if errors:
        raise DocumentError(format_errors(errors, ErrorCode.GRAPHQL_VALIDATION_FAILED))
    return Document(root, operation)


def _rules(*, introspection: bool) -> Sequence[type[ASTValidationRule]]:
    rules = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
    return rules if introspection else [*rules, NoSchemaIntrospectionCustomRule]


def _choose(schema: GraphQLSchema, root: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [node for node in root.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        operations = [node for node in operations if node.name and node.name.value == name]
    match operations:
        case [operation]:
            pass
        case []:
            raise GraphQLError("The document has no such operation." if name else "The document has no operation.")
        case _:
            raise GraphQLError("The document has several operations: operationName must name one of them.")
    if schema.get_root_type(operation.operation) is None:
        raise GraphQLError(f"This API has no {operation.operation.value} operations.", operation)
    return operation
