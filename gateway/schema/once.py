"""Mutations with an idempotency key."""

import msgspec
from msgspec import UNSET

from gateway import invitations as rest
from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.idempotency import Key, KeyedCall, Once
from gateway.schema.context import Context
from gateway.schema.inputs import CreateInvitationInput, UpdateInvitationInput, as_given, changes, new_invitation


async def create_once(context: Context, idempotency_key: str, input: CreateInvitationInput) -> rest.InvitationV2:
    """Create an invitation, unless that was done or tried earlier with this key."""
    once, key = _once(context), Key(idempotency_key)
    given = as_given(input)
    body = new_invitation(input)
    if given.tracking_id is UNSET:
        # The same for each try: whoever gets the answer of an earlier one can look for it.
        body.tracking_id = key.tracking_id()
    client = context.invitations
    client.require_token()
    return await once.run(
        KeyedCall(
            key.name,
            key.fingerprint("createInvitation", msgspec.json.encode(given)),
            client.caller,
            send=lambda: client.create(body),
            read=lambda id: _read(client, id),
            id_of=lambda created: created.id,
            known_id=body.id if isinstance(body.id, str) else None,
            tracking_id=rest.shown_tracking_id(body.tracking_id),
        )
    )


async def update_once(context: Context, idempotency_key: str, input: UpdateInvitationInput) -> rest.InvitationV2:
    """Update an invitation, unless that was done or tried earlier with this key. `input` has changes."""
    once, key = _once(context), Key(idempotency_key)
    client = context.invitations
    client.require_token()
    return await once.run(
        KeyedCall(
            key.name,
            key.fingerprint("updateInvitation", msgspec.json.encode(as_given(input))),
            client.caller,
            send=lambda: client.update(input.id, changes(input)),
            read=lambda id: _read(client, id),
            id_of=lambda _: input.id,
            known_id=input.id,
        )
    )


def _once(context: Context) -> Once:
    if context.once is None:
        raise GatewayError(
            ErrorCode.BAD_USER_INPUT,
            "`idempotencyKey` is not supported here, because the gateway has no store for keys: "
            "set GATEWAY_IDEMPOTENCY_STORE. Nothing was sent.",
            Outcome.NOT_APPLIED,
        )
    return context.once


async def _read(client: rest.CallerClient, id: str) -> rest.InvitationV2:
    found = await client.get(id)
    if found is None:
        raise GatewayError(
            ErrorCode.NOT_FOUND,
            "An earlier request with this `idempotencyKey` was applied, but the invitation was not found.",
            Outcome.APPLIED,
        )
    return found
