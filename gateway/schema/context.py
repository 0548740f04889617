"""What resolvers know of the request that they work for."""

import asyncio
from dataclasses import dataclass, field

import strawberry

from gateway.invitations import CallerClient, InvitationV2


@dataclass(slots=True)
class Context:
    """One GraphQL request: the API as its caller sees it, and what it has already read."""

    invitations: CallerClient
    _reads: dict[str, asyncio.Future[InvitationV2 | None]] = field(default_factory=dict, repr=False)

    async def invitation(self, id: str) -> InvitationV2 | None:
        """Read an invitation, once for all fields of the request that ask for it. Raises InvitationsError."""
        if (read := self._reads.get(id)) is not None:
            return await asyncio.shield(read)
        read = self._reads[id] = asyncio.get_running_loop().create_future()
        try:
            invitation = await self.invitations.get(id)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                read.cancel()
            else:
                _set_exception(read, error)
                read.exception()  # Seen: without another field that waits, nobody else would look.
            raise
        read.set_result(invitation)
        return invitation


def _set_exception(future: asyncio.Future[InvitationV2 | None], error: BaseException) -> None:
    """Give a future an exception without its frames: they hold the future, and stay until the collector comes."""
    frames, error.__traceback__ = error.__traceback__, None
    future.set_exception(error)
    error.__traceback__ = frames


Info = strawberry.Info[Context, None]
