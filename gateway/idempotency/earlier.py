"""A mutation with a key, and what its caller is told if an earlier request had the same key."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, TypeVar

from gateway.errors import ErrorCode, GatewayError, Outcome
from gateway.idempotency.store import Record, State

RETRY_AFTER = 2
"""Maximum seconds until a request that is running elsewhere should be asked for again: most end by then."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyedCall(Generic[T]):
    """A mutation to send at most once."""

    name: bytes
    fingerprint: bytes
    caller: Hashable
    """Requests of the same caller share a result that is still to come."""
    send: Callable[[], Awaitable[T]]
    """Sends the mutation. If it fails, raises GatewayError with its outcome."""
    read: Callable[[str], Awaitable[T]]
    """Reads what an earlier request has changed, by its id. Raises GatewayError."""
    id_of: Callable[[T], str]
    known_id: str | None = None
    """The id, if the caller has chosen it: it is known even if the response is unusable."""
    tracking_id: str | None = None
    """What to look for if the outcome is unknown."""


async def answer_again(call: KeyedCall[T], stored: Record, now: float) -> T:
    """Return the result of an earlier request with the same key, or raise the error for it."""
    if stored.fingerprint != call.fingerprint:
        raise reused()
    if stored.state is State.RUNNING:
        raise in_progress(call, stored.lease_ends - now)
    if stored.state is State.UNKNOWN:
        raise GatewayError(
            ErrorCode.IDEMPOTENCY_UNKNOWN,
            "An earlier request with this `idempotencyKey` may have been applied. Nothing was sent again. "
            "Check before you use a new key.",
            Outcome.UNKNOWN,
            trackingId=call.tracking_id,
        )
    if stored.invitation_id is None:
        raise GatewayError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            "An earlier request with this `idempotencyKey` was applied, but its response could not be used.",
            Outcome.APPLIED,
            trackingId=call.tracking_id,
        )
    try:
        return await call.read(stored.invitation_id)
    except GatewayError as error:
        error.outcome = Outcome.APPLIED
        if call.tracking_id is not None:
            error.extensions["trackingId"] = call.tracking_id
        raise


def reused() -> GatewayError:
    """Return the error for a key with another input."""
    return GatewayError(
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        "`idempotencyKey` was used for another mutation or input. Use a new key, or send exactly the same input.",
        Outcome.NOT_APPLIED,
    )


def in_progress(call: KeyedCall[Any], lease: float) -> GatewayError:
    """Return the error for a key that is running, with a lease of these seconds."""
    return GatewayError(
        ErrorCode.IDEMPOTENCY_IN_PROGRESS,
        "A request with this `idempotencyKey` is still running. Send it again after `retryAfter` seconds.",
        Outcome.UNKNOWN,
        retryAfter=max(1, min(RETRY_AFTER, ceil(lease))),
        trackingId=call.tracking_id,
    )


def unavailable() -> GatewayError:
    """Return the error for a key that could not be claimed."""
    return GatewayError(
        ErrorCode.IDEMPOTENCY_STORE_UNAVAILABLE,
        "The store of idempotency keys is unavailable, so nothing was sent. Send it again later with the same key.",
        Outcome.NOT_APPLIED,
        retryAfter=1,
    )
