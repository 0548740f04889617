"""A bounded store of what documents were made into."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")
Key = tuple[str, str | None]
"""A document's text and the name of the operation in it. Never its syntax tree: hashing that walks it."""


class Cache(Generic[V]):
    """Values by document, bounded in entries and in bytes; the least recently used goes first.

    An entry of more than a tenth of all the bytes is not kept.
    """

    def __init__(self, *, entries: int, size: int) -> None:
        self._values: OrderedDict[Key, tuple[V, int]] = OrderedDict()
        self._entries = entries
        self._size = size
        self._room = size

    def get(self, key: Key) -> V | None:
        """Look a value up, and mark it as used."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def pop(self, key: Key) -> None:
        """Forget a value, if it is there."""
        found = self._values.pop(key, None)
        if found is not None:
            self._room += found[1]

    def put(self, key: Key, value: V, size: int) -> None:
        """Keep a value that takes so many bytes, its key included; others may go for it."""
        self.pop(key)
        if size > self._size // 10:
            return
        self._values[key] = value, size
        self._room -= size
        while len(self._values) > self._entries or self._room < 0:
            _, (_, freed) = self._values.popitem(last=False)
            self._room += freed
