"""Every part of the gateway handles every property of an invitation: REST, GraphQL and the sandbox."""

import msgspec
import pytest
from strawberry.types.base import get_object_definition

from gateway import invitations as rest
from gateway.sandbox import model as sandbox
from gateway.schema import inputs, types

pytestmark = pytest.mark.quick

DERIVED = {"created_at", "last_modified_at"}
"""Fields that the gateway derives from other properties."""


def encoded(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def python_names(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


def graphql_fields(class_: type) -> set[str]:
    definition = get_object_definition(class_, strict=True)
    return {field.python_name for field in definition.fields} - DERIVED


@pytest.mark.parametrize(
    ("value", "body", "type_", "input_types", "kept"),
    [
        (
            rest.InvitationV2,
            rest.InvitationV2Body,
            types.InvitationV2,
            [inputs.CreateInvitationInput, inputs.UpdateInvitationInput],
            sandbox.InvitationV2,
        ),
        (
            rest.InvitationV2Message,
            rest.InvitationV2MessageBody,
            types.InvitationV2Message,
            [inputs.InvitationV2MessageInput],
            sandbox.InvitationV2Message,
        ),
        (
            rest.InvitationMessage,
            rest.InvitationMessageBody,
            types.InvitationMessage,
            [inputs.InvitationMessageInput],
            sandbox.InvitationMessage,
        ),
    ],
    ids=lambda it: it.__name__ if isinstance(it, type) else "",
)
def test_no_property_is_missing_anywhere(
    value: type[msgspec.Struct],
    body: type[msgspec.Struct],
    type_: type,
    input_types: list[type],
    kept: type[msgspec.Struct],
) -> None:
    assert python_names(body) == python_names(value)
    assert encoded(body) == encoded(value) == encoded(kept)
    assert graphql_fields(type_) == python_names(value)
    for input_type in input_types:
        assert graphql_fields(input_type) == python_names(value)
