"""The idle connections of a pool, each found, added and removed in the same time however many there are."""

from collections import OrderedDict

from gateway.transport.connection import Connection, Origin


class IdleConnections:
    """Idle connections in the order in which they became idle, of all origins and of each."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self._of: dict[Origin, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        """Add the connection that became idle last."""
        self._all[connection] = None
        same = self._of.get(connection.origin)
        if same is None:
            same = self._of[connection.origin] = OrderedDict()
        same[connection] = None

    def take(self, origin: Origin) -> Connection | None:
        """Remove and return the origin's connection that was used last: the others can expire."""
        same = self._of.get(origin)
        if same is None:
            return None
        connection, _ = same.popitem()
        if not same:
            del self._of[origin]
        del self._all[connection]
        return connection

    def oldest(self) -> Connection | None:
        """Return the connection that has been idle longest."""
        return next(iter(self._all), None)

    def remove(self, connection: Connection) -> bool:
        """Remove a connection. Returns whether it was there."""
        if connection not in self._all:
            return False
        del self._all[connection]
        same = self._of[connection.origin]
        del same[connection]
        if not same:
            del self._of[connection.origin]
        return True
