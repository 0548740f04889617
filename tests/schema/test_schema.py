"""`schema.graphql`, the contract with frontends."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
    validate_schema,
)

from gateway.errors import ErrorCode, Outcome
from gateway.schema import create_schema

pytestmark = pytest.mark.quick

FILE = Path(__file__).parents[2] / "schema.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(FILE.read_text(encoding="utf-8"))


def test_schema_graphql_is_exactly_the_printed_schema() -> None:
    assert FILE.read_text(encoding="utf-8") == create_schema().as_str() + "\n"


def test_schema_graphql_is_valid(schema: GraphQLSchema) -> None:
    assert validate_schema(schema) == []


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            for value_name, value in type_.values.items():
                yield f"{name}.{value_name}", value.description
        if isinstance(type_, GraphQLObjectType):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field.description
                for argument_name, argument in field.args.items():
                    yield f"{name}.{field_name}({argument_name}:)", argument.description
        if isinstance(type_, GraphQLInputObjectType):
            for input_name, input_field in type_.fields.items():
                yield f"{name}.{input_name}", input_field.description


def test_every_description_is_a_sentence(schema: GraphQLSchema) -> None:
    descriptions = dict(described(schema))
    assert len(descriptions) > 40
    for name, description in descriptions.items():
        assert description, name
        assert description.rstrip("`")[-1] in ".:" or description.endswith("`."), name
        assert len(description) > 10, name


@pytest.mark.parametrize("name", ["InvitationV2", "CreateInvitationInput", "UpdateInvitationInput"])
@pytest.mark.parametrize("moment", ["created", "lastModified"])
def test_the_description_of_a_time_names_its_unit(schema: GraphQLSchema, name: str, moment: str) -> None:
    description = dict(described(schema))[f"{name}.{moment}"]
    assert description is not None
    assert "milliseconds since 1970-01-01" in description


def shape(schema: GraphQLSchema, name: str) -> dict[str, str]:
    """Return the SDL after each field's name."""
    type_ = schema.type_map[name]
    if isinstance(type_, GraphQLInputObjectType):
        return {field_name: str(field.type) for field_name, field in type_.fields.items()}
    assert isinstance(type_, GraphQLObjectType)
    return {
        f"{field_name}({', '.join(f'{argument}: {it.type}' for argument, it in field.args.items())})"
        if field.args
        else field_name: str(field.type)
        for field_name, field in type_.fields.items()
    }


PROPERTIES = {
    "id": "ID!",
    "created": "Int64",
    "lastModified": "Int64",
    "inviter": "String",
    "invitee": "String",
    "trackingId": "String",
}
SHAPES = {
    "Query": {
        "invitation(id: ID!)": "InvitationV2",
        "invitations(first: Int, after: String)": "InvitationConnection",
    },
    "Mutation": {
        "createInvitation(input: CreateInvitationInput!, idempotencyKey: String)": "InvitationV2",
        "createInvitations(inputs: [CreateInvitationInput!]!, idempotencyKey: String)": "CreateInvitationsPayload",
        "updateInvitation(input: UpdateInvitationInput!, idempotencyKey: String)": "InvitationV2",
    },
    "InvitationV2": {
        **PROPERTIES,
        "message": "InvitationV2Message",
        "createdAt": "DateTime",
        "lastModifiedAt": "DateTime",
    },
    "InvitationV2Message": {"invitationTemplateID": "String", "invitationMessage": "InvitationMessage"},
    "InvitationMessage": {"body": "String"},
    "CreateInvitationsPayload": {"results": "[CreateInvitationResult!]!"},
    "CreateInvitationResult": {"index": "Int!", "invitation": "InvitationV2", "error": "InvitationError"},
    "InvitationError": {
        "code": "ErrorCode!",
        "outcome": "Outcome!",
        "message": "String!",
        "status": "Int",
        "upstreamCode": "String",
        "retryAfter": "Int",
        "claims": "String",
        "trackingId": "String",
        "requestId": "String",
        "clientRequestId": "String",
    },
    "CreateInvitationInput": {
        **PROPERTIES,
        "id": "ID",
        "inviter": "String!",
        "invitee": "String!",
        "message": "InvitationV2MessageInput!",
    },
    "UpdateInvitationInput": {**PROPERTIES, "message": "InvitationV2MessageInput"},
    "InvitationV2MessageInput": {"invitationTemplateID": "String", "invitationMessage": "InvitationMessageInput"},
    "InvitationMessageInput": {"body": "String"},
    "InvitationConnection": {"edges": "[InvitationEdge!]!", "nodes": "[InvitationV2!]!", "pageInfo": "PageInfo!"},
    "InvitationEdge": {"cursor": "String!", "node": "InvitationV2!"},
    "PageInfo": {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    },
}

ENUMS: dict[str, type[StrEnum]] = {"ErrorCode": ErrorCode, "Outcome": Outcome}


@pytest.mark.parametrize("name", SHAPES)
def test_a_type_has_the_apis_names_and_only_guaranteed_fields_are_non_null(schema: GraphQLSchema, name: str) -> None:
    assert shape(schema, name) == SHAPES[name]


def test_there_are_no_other_types(schema: GraphQLSchema) -> None:
    own = {
        name
        for name, type_ in schema.type_map.items()
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
    }
    assert own == {*SHAPES, *ENUMS, "Int64", "DateTime"}


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_values_that_extensions_have(schema: GraphQLSchema, name: str) -> None:
    type_ = schema.type_map[name]
    assert isinstance(type_, GraphQLEnumType)
    assert list(type_.values) == [it.value for it in ENUMS[name]]


def test_a_page_has_20_items_by_default() -> None:
    assert "first: Int = 20" in FILE.read_text(encoding="utf-8")
