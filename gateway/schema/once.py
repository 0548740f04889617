"""Mutations with an idempotency key."""

from collections.abc import Awaitable

import msgspec
from msgspec import UNSET

from gateway import invitations as rest
from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.idempotency import Key, KeyedCall, Once
from gateway.schema.context import Context
from gateway.schema.inputs import CreateInvitationInput, UpdateInvitationInput, as_given, changes, new_invitation


async def create_once(context: Context, idempotency_key: str, input: CreateInvitationInput) -> rest.InvitationV2:
    """Create an invitation, unless that was done or tried earlier with this key."""
    once, key = _once(context), Key.of(idempotency_key)
    client = context.invitations
    client.require_token()
    new = _New.of(key, input, new_invitation(input))
    return await once.run(new.call(client.caller, lambda: client.create(new.body), client.get))


async def create_all_once(
    context: Context, idempotency_key: str, inputs: list[CreateInvitationInput], bodies: list[rest.InvitationV2Body]
) -> list[rest.Created]:
    """Create invitations, except those for which that was done or tried earlier with this key.

    `bodies` are the requests of the `inputs`.
    The key belongs to the whole list: in another order, an input could be sent although it was sent at another place.
    If an earlier call has used it, an input whose state was not learned may have been created by that call.
    """
    once, key = _once(context), Key.of(idempotency_key)
    client = context.invitations
    client.require_token()
    given = (msgspec.json.encode(as_given(input)) for input in inputs)
    owner = await once.bind(key.name, key.fingerprint_of_list("createInvitations", given))
    pairs = zip(inputs, bodies, strict=True)
    items = [_New.of(key.of_item(index), input, body) for index, (input, body) in enumerate(pairs)]
    learned: set[int] = set()

    async def each(index: int, send: rest.Send, read: rest.Read) -> rest.InvitationV2:
        try:
            return await once.run(items[index].call(client.caller, send, read))
        except GatewayError as error:
            (learned.discard if error.code is ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE else learned.add)(index)
            raise

    created = await client.create_all([it.body for it in items], each)
    if owner is None:
        return [it if index in learned else _in_doubt(it, items[index]) for index, it in enumerate(created)]
    if all(_has_no_claim(it) for it in created):
        await once.unbind(key.name, owner)
    return created


async def update_once(context: Context, idempotency_key: str, input: UpdateInvitationInput) -> rest.InvitationV2:
    """Update an invitation, unless that was done or tried earlier with this key. `input` has changes."""
    once, key = _once(context), Key.of(idempotency_key)
    client = context.invitations
    client.require_token()
    return await once.run(
        KeyedCall(
            key.name,
            key.fingerprint("updateInvitation", msgspec.json.encode(as_given(input))),
            client.caller,
            send=lambda: client.update(input.id, changes(input)),
            read=lambda id: _found(client.get(id)),
            id_of=lambda _: input.id,
            known_id=input.id,
        )
    )


class _New(msgspec.Struct, frozen=True):
    """A new invitation with a key, and the fingerprint of its input."""

    key: Key
    fingerprint: bytes
    body: rest.InvitationV2Body

    @classmethod
    def of(cls, key: Key, input: CreateInvitationInput, body: rest.InvitationV2Body) -> "_New":
        """Return the new invitation of an input. `body` is its request, and gets a `trackingId` if it has none."""
        given = as_given(input)
        if given.tracking_id is UNSET:
            # The same for each try: whoever gets the answer of an earlier one can look for it.
            body.tracking_id = key.tracking_id()
        return cls(key, key.fingerprint("createInvitation", msgspec.json.encode(given)), body)

    def call(self, caller: rest.Caller, send: rest.Send, read: rest.Read) -> KeyedCall[rest.InvitationV2]:
        return KeyedCall(
            self.key.name,
            self.fingerprint,
            caller,
            send=send,
            read=lambda id: _found(read(id)),
            id_of=lambda created: created.id,
            known_id=self.body.id if isinstance(self.body.id, str) else None,
            tracking_id=rest.shown_tracking_id(self.body.tracking_id),
        )


def _has_no_claim(created: rest.Created) -> bool:
    """Return whether an item certainly was not applied, and has left nothing in the store."""
    return (
        isinstance(created, GatewayError)
        and created.outcome is Outcome.NOT_APPLIED
        and created.code not in {ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE, ErrorCode.IDEMPOTENCY_KEY_REUSED}
    )


def _in_doubt(created: rest.Created, new: _New) -> rest.Created:
    """Return the result of an item whose state this call has not learned, if an earlier call had the same key."""
    if not isinstance(created, GatewayError) or created.outcome is not Outcome.NOT_APPLIED:
        return created
    error = GatewayError(
        created.code,
        f"{created} An earlier call with this `idempotencyKey` may have created it: "
        "send the whole call again with the same key.",
        Outcome.UNKNOWN,
        trackingId=rest.shown_tracking_id(new.body.tracking_id),
    )
    error.extensions.update(created.extensions)
    return error


def _once(context: Context) -> Once:
    if context.once is None:
        raise GatewayError(
            ErrorCode.BAD_USER_INPUT,
            "`idempotencyKey` is not supported here, because the gateway has no store for keys: "
            "set GATEWAY_IDEMPOTENCY_STORE. Nothing was sent.",
            Outcome.NOT_APPLIED,
        )
    return context.once


async def _found(reading: Awaitable[rest.InvitationV2 | None]) -> rest.InvitationV2:
    found = await reading
    if found is None:
        raise GatewayError(
            ErrorCode.NOT_FOUND,
            "An earlier request with this `idempotencyKey` was applied, but the invitation was not found.",
            Outcome.APPLIED,
        )
    return found
