"""The mutations."""

from typing import Annotated, TypeGuard

import strawberry

from gateway import invitations as rest
from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.schema.batch import MAX_INPUT_BYTES, MAX_INPUTS, CreateInvitationsPayload, Results, are_too_large
from gateway.schema.context import Info
from gateway.schema.fields import resolved_by
from gateway.schema.inputs import CreateInvitationInput, UpdateInvitationInput, changes, new_invitation
from gateway.schema.once import create_all_once, create_once, update_once
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
    if _is_given(idempotency_key):
        return await create_once(info.context, idempotency_key, input)
    return await info.context.invitations.create(new_invitation(input))


async def _create_invitations(
    info: Info,
    inputs: Annotated[
        list[CreateInvitationInput], strawberry.argument(description=f"The new invitations, 1 to {MAX_INPUTS}.")
    ],
    idempotency_key: Annotated[
        str | None,
        strawberry.argument(
            description="Makes retries safe: at most one request is sent for each input, for as long as the gateway "
            "keeps the key (24 hours). The same call again sends only what was certainly not sent, and reads what was "
            "created. All `inputs` must be the same, in the same order. 16 to 255 visible ASCII characters; it must "
            "be random, such as a UUID. Default: no key."
        ),
    ] = strawberry.UNSET,
) -> Results:
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise _refused(f"`inputs` must have 1 to {MAX_INPUTS} items.")
    bodies = [new_invitation(it) for it in inputs]
    if are_too_large(bodies):
        raise _refused(
            f"`inputs` is too large: at most {MAX_INPUT_BYTES} bytes as JSON are allowed. Send fewer at once."
        )
    if not info.context.begin_batch():
        raise _refused("`createInvitations` can be used only once in a request. Put all invitations into its `inputs`.")
    if _is_given(idempotency_key):
        return Results.of(await create_all_once(info.context, idempotency_key, inputs, bodies))
    return Results.of(await info.context.invitations.create_all(bodies))


async def _update_invitation(
    info: Info,
    input: Annotated[UpdateInvitationInput, strawberry.argument(description="The changes.")],
    idempotency_key: IdempotencyKey = strawberry.UNSET,
) -> rest.InvitationV2:
    body = changes(input)
    if body == rest.InvitationV2Body():
        raise _refused("`input` must have at least one property besides `id`.")
    if _is_given(idempotency_key):
        return await update_once(info.context, idempotency_key, input)
    return await info.context.invitations.update(input.id, body)


def _is_given(idempotency_key: str | None) -> TypeGuard[str]:
    """Return whether there is a key. It can be absent or null; an empty one is invalid."""
    return idempotency_key is not None and idempotency_key is not strawberry.UNSET


def _refused(message: str) -> GatewayError:
    return GatewayError(ErrorCode.BAD_USER_INPUT, message, outcome=Outcome.NOT_APPLIED)


@strawberry.type(description="The write operations. The mutations in a document run one after another.")
class Mutation:
    """The root type of mutations."""

    create_invitation: InvitationV2 | None = resolved_by(
        _create_invitation,
        InvitationV2 | None,
        "Creates an invitation and sends it to a real person (`POST /linkedIn/invitations`). "
        "If it fails, `extensions.outcome` in the error says whether it is safe to try again.",
    )
    create_invitations: CreateInvitationsPayload | None = resolved_by(
        _create_invitations,
        CreateInvitationsPayload | None,
        "Creates invitations side by side, and sends them to real people (`POST /linkedIn/invitations` for each). "
        "Each has a result of its own, and a failed one does not stop the others. It can be used once in a request.",
    )
    update_invitation: InvitationV2 | None = resolved_by(
        _update_invitation,
        InvitationV2 | None,
        "Changes properties of an invitation (`PATCH /linkedIn/invitations`). "
        "If it fails, `extensions.outcome` in the error says whether it is safe to try again.",
    )
