"""The mutations."""

from typing import Annotated

import strawberry

from gateway import invitations as rest
from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.schema.context import Info
from gateway.schema.fields import resolved_by
from gateway.schema.inputs import CreateInvitationInput, UpdateInvitationInput, changes, new_invitation
from gateway.schema.once import create_once, update_once
from gateway.schema.types import InvitationV2

IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Makes retries safe: at most one request is sent for a key, for as long as the gateway keeps it "
        "(24 hours). 16 to 255 visible ASCII characters; it must be random, such as a UUID. "
        "Make one for each thing that a user does, and send the same key and input with each try of it. "
        "Default: no key."
    ),
]


async def _create_invitation(
    info: Info,
    input: Annotated[CreateInvitationInput, strawberry.argument(description="The new invitation.")],
    idempotency_key: IdempotencyKey = strawberry.UNSET,
) -> rest.InvitationV2:
    if idempotency_key is not None and idempotency_key is not strawberry.UNSET:
        return await create_once(info.context, idempotency_key, input)
    return await info.context.invitations.create(new_invitation(input))


async def _update_invitation(
    info: Info,
    input: Annotated[UpdateInvitationInput, strawberry.argument(description="The changes.")],
    idempotency_key: IdempotencyKey = strawberry.UNSET,
) -> rest.InvitationV2:
    body = changes(input)
    if body == rest.InvitationV2Body():
        raise GatewayError(
            ErrorCode.BAD_USER_INPUT,
            "`input` must have at least one property besides `id`.",
            outcome=Outcome.NOT_APPLIED,
        )
    if idempotency_key is not None and idempotency_key is not strawberry.UNSET:
        return await update_once(info.context, idempotency_key, input)
    return await info.context.invitations.update(input.id, body)


@strawberry.type(description="The write operations. The mutations in a document run one after another.")
class Mutation:
    """The root type of mutations."""

    create_invitation: InvitationV2 | None = resolved_by(
        _create_invitation,
        InvitationV2 | None,
        "Creates an invitation and sends it to a real person (`POST /linkedIn/invitations`). "
        "If it fails, `extensions.outcome` in the error says whether it is safe to try again.",
    )
    update_invitation: InvitationV2 | None = resolved_by(
        _update_invitation,
        InvitationV2 | None,
        "Changes properties of an invitation (`PATCH /linkedIn/invitations`). "
        "If it fails, `extensions.outcome` in the error says whether it is safe to try again.",
    )
