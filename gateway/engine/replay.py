"""Lets graphql-core continue from what root resolvers returned or raised, without running them again."""

from collections.abc import Callable
from dataclasses import dataclass, field

from graphql import GraphQLResolveInfo

from gateway.engine.strawberry_internals import is_awaitable


async def _awaited(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class Record:
    """What root resolvers returned or raised, by response key."""

    returned: dict[str, object] = field(default_factory=dict)
    raised: dict[str, Exception] = field(default_factory=dict)


class Replay:
    """Middleware for graphql-core's `execute` that resolves all fields except the root fields in the record."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def resolve(
        self, resolver: Callable[..., object], root: object, info: GraphQLResolveInfo[object], **arguments: object
    ) -> object:
        """Return the value of a field, from the record if it is there."""
        if info.path.prev is None:
            key = str(info.path.key)
            if key in self._record.raised:
                raise self._record.raised[key]
            if key in self._record.returned:
                value = self._record.returned[key]
                # It was awaited if it had to be: what that gave is not awaited in its turn.
                return _awaited(value) if is_awaitable(value) else value
        return resolver(root, info, **arguments)
