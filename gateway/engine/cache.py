"""A bounded store of what documents were made into."""

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")
Key = tuple[str, str | None]
"""A document's text and the name of the operation in it. Never its syntax tree: hashing that walks it."""


class Cache(Generic[V]):
    """Values by document, bounded in entries and in characters of text; the least recently used goes first.

    A text of more than a tenth of all the characters is not kept.
    """

    def __init__(self, *, entries: int, characters: int) -> None:
        self._values: OrderedDict[Key, V] = OrderedDict()
        self._entries = entries
        self._characters = characters
        self._room = characters

    def get(self, key: Key) -> V | None:
        """Look a value up, and mark it as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def pop(self, key: Key) -> None:
        """Forget a value, if it is there."""
        if self._values.pop(key, None) is not None:
            self._room += len(key[0])

    def put(self, key: Key, value: V) -> None:
        """Keep a value; others may go for it."""
        self.pop(key)
        if len(key[0]) > self._characters // 10:
            return
        self._values[key] = value
        self._room -= len(key[0])
        while len(self._values) > self._entries or self._room < 0:
            old, _ = self._values.popitem(last=False)
            self._room += len(old[0])
