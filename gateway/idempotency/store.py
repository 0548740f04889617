"""What a store keeps of a key, and what it must be able to do."""

from enum import StrEnum
from typing import Protocol

import msgspec


class State(StrEnum):
    """The state of a key that is not free; `gateway.idempotency.once` describes the transitions."""

    RUNNING = "running"
    DONE = "done"
    UNKNOWN = "unknown"


class Record(msgspec.Struct, frozen=True):
    """What is stored for a key. Times are in seconds since 1970; none of it is confidential."""

    fingerprint: bytes
    owner: bytes
    """A random value: only who made the claim can end it."""
    claimed: float
    lease_ends: float
    expires: float
    state: State = State.RUNNING
    invitation_id: str | None = None


class StoreUnavailable(Exception):  # noqa: N818 (it is temporary)
    """The store could not do its work; the message says why, without values."""


class StoreRefused(StoreUnavailable):
    """The store must not be used: it would not keep its promise."""


class Store(Protocol):
    """Keeps records by the names of keys. Each method is atomic for all processes that use the store.

    Methods raise StoreUnavailable after a few seconds at most.
    """

    async def check(self) -> str | None:
        """Return what an operator should know, if anything. Call it before the rest.

        Raises StoreUnavailable if the store cannot be used, StoreRefused if it must not.
        """
        ...

    async def claim(self, name: bytes, record: Record) -> Record | None:
        """Store a record and return None if the name is free; else return what is stored.

        A name is free if it has no record, or one that has expired at `record.claimed`. A stored record that is
        running although its lease has ended at `record.claimed` becomes unknown first, for good.
        """
        ...

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        """End this owner's running claim with a state, or free the name if the state is None.

        Do nothing if the record is no longer running, or is another owner's.
        """
        ...

    async def aclose(self) -> None:
        """Close the store; it cannot be used afterwards."""
        ...
