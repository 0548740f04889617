"""What resolvers know about the request."""

import asyncio
from dataclasses import dataclass, field

import strawberry

from gateway.errors import set_exception
from gateway.idempotency import Once
from gateway.invitations import CallerClient, InvitationV2


@dataclass(slots=True)
class Context:
    """One GraphQL request: a client for its caller, and the invitations already read."""

    invitations: CallerClient
    once: Once | None = None
    """Sends mutations that have an idempotency key; None if there is no store for keys."""
    _reads: dict[str, asyncio.Future[InvitationV2 | None]] = field(default_factory=dict, repr=False)

    _has_batch: bool = False

    def begin_batch(self) -> bool:
        """Return whether this is the request's first batch: several would multiply its time and its REST calls."""
        first, self._has_batch = not self._has_batch, True
        return first

    async def invitation(self, id: str) -> InvitationV2 | None:
        """Return an invitation, read only once per request. Raises InvitationsError."""
        if (read := self._reads.get(id)) is not None:
            return await asyncio.shield(read)
        read = self._reads[id] = asyncio.get_running_loop().create_future()
        try:
            invitation = await self.invitations.get(id)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                read.cancel()
            else:
                set_exception(read, error)
                read.exception()  # Mark it as retrieved: if no other field waits, asyncio would log it.
            raise
        read.set_result(invitation)
        return invitation


Info = strawberry.Info[Context, None]
