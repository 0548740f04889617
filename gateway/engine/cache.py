"""A bounded cache of prepared documents."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")
Key = tuple[str, str | None]
"""A document's text and the requested operation's name. Not the syntax tree: hashing it would walk all of it."""


class Cache(Generic[V]):
    """Values by document, limited in entries and bytes; the least recently used are evicted first.

    An entry that takes more than a tenth of the bytes is not stored.
    """

    def __init__(self, *, entries: int, size: int) -> None:
        self._values: OrderedDict[Key, tuple[V, int]] = OrderedDict()
        self._entries = entries
        self._size = size
        self._room = size

    def get(self, key: Key) -> V | None:
        """Return a value, marked as recently used, or None if it is not cached."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def pop(self, key: Key) -> None:
        """Remove a value, if it is cached."""
        found = self._values.pop(key, None)
        if found is not None:
            self._room += found[1]

    def put(self, key: Key, value: V, size: int) -> None:
        """Store a value of `size` bytes, including its key, and evict others to make room."""
        self.pop(key)
        if size > self._size // 10:
            return
        self._values[key] = value, size
        self._room -= size
        while len(self._values) > self._entries or self._room < 0:
            _, (_, freed) = self._values.popitem(last=False)
            self._room += freed
