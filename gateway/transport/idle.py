"""A pool's idle connections, with lookup, insertion and removal in constant time."""

from collections import OrderedDict

from gateway.transport.connection import Connection, Origin


class IdleConnections:
    """Idle connections in the order in which they became idle, overall and per origin."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self._of: dict[Origin, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        """Add a connection that has just become idle."""
        self._all[connection] = None
        same = self._of.get(connection.origin)
        if same is None:
            same = self._of[connection.origin] = OrderedDict()
        same[connection] = None

    def take(self, origin: Origin) -> Connection | None:
        """Remove and return the origin's most recently used connection, if any, so that the others can expire."""
        same = self._of.get(origin)
        if same is None:
            return None
        connection, _ = same.popitem()
        if not same:
            del self._of[origin]
        del self._all[connection]
        return connection

    def oldest(self) -> Connection | None:
        """Return the connection that has been idle longest, if any."""
        return next(iter(self._all), None)

    def remove(self, connection: Connection) -> bool:
        """Remove a connection. Return whether it was there."""
        if connection not in self._all:
            return False
        del self._all[connection]
        same = self._of[connection.origin]
        del same[connection]
        if not same:
            del self._of[connection.origin]
        return True
