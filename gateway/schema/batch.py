"""The results of `createInvitations`."""

from collections.abc import Iterable

import msgspec
import strawberry

from gateway import invitations as rest
from gateway.errors import GatewayError
from gateway.schema.errors import Failure, InvitationError, failure
from gateway.schema.types import InvitationV2

MAX_INPUTS = 100
MAX_INPUT_BYTES = 2_000_000
"""Maximum bytes of all requests of a batch together. A document can repeat a variable of nearly a megabyte a hundred
times."""


class Result(msgspec.Struct, frozen=True):
    """The value of a `CreateInvitationResult`."""

    index: int
    invitation: rest.InvitationV2 | None = None
    error: Failure | None = None


class Results(msgspec.Struct, frozen=True):
    """The value of a `CreateInvitationsPayload`."""

    results: list[Result]

    @classmethod
    def of(cls, created: list[rest.Created]) -> "Results":
        """Return the results for invitations and errors."""
        return cls(
            [
                Result(index, error=failure(it)) if isinstance(it, GatewayError) else Result(index, it)
                for index, it in enumerate(created)
            ]
        )


def are_too_large(bodies: Iterable[rest.InvitationV2Body]) -> bool:
    """Return whether invitations are too large together. Each is encoded alone: all copies would be too large, too."""
    size = 0
    for body in bodies:
        size += len(msgspec.json.encode(body))
        if size > MAX_INPUT_BYTES:
            return True
    return False


@strawberry.type(description="What became of one of the `inputs`: either `invitation` or `error` is null.")
class CreateInvitationResult:
    """The result of one input."""

    index: int = strawberry.field(description="The position of its input in `inputs`, from 0.")
    invitation: InvitationV2 | None = strawberry.field(description="The new invitation. Null if it failed.")
    error: InvitationError | None = strawberry.field(description="Why it failed. Null if it was created.")


@strawberry.type(description="The results of `createInvitations`.")
class CreateInvitationsPayload:
    """All results."""

    results: list[CreateInvitationResult] = strawberry.field(
        description="One result for each of the `inputs`, in their order."
    )
