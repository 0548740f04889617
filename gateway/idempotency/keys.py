"""What is stored of a key, and of the input that it was used for: hashes that reveal neither."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from uuid import UUID

from gateway.errors import ErrorCode, GatewayError, Outcome

MIN_CHARACTERS = 16
MAX_CHARACTERS = 255
_VISIBLE = re.compile(rf"[!-~]{{{MIN_CHARACTERS},{MAX_CHARACTERS}}}")


class Key:
    """A key that a client has chosen."""

    __slots__ = ("_key", "name")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.name = self._hash(b"name")
        """The name of the key in the store."""

    @classmethod
    def of(cls, text: str) -> "Key":
        """Return a client's key. Raises GatewayError if the text is not a valid one."""
        if not _VISIBLE.fullmatch(text):
            raise GatewayError(
                ErrorCode.BAD_USER_INPUT,
                f"`idempotencyKey` must have {MIN_CHARACTERS} to {MAX_CHARACTERS} visible ASCII characters. "
                "Use a new random UUID for each thing that a user does.",
                Outcome.NOT_APPLIED,
            )
        return cls(text.encode("ascii"))

    def of_item(self, index: int) -> "Key":
        """Return the key of an item, if this is the key of a list. It is not that of any text."""
        return Key(self._hash(b"item %d" % index))

    def fingerprint(self, mutation: str, input: bytes) -> bytes:
        """Return a hash of a mutation and its input.

        It depends on the key, which is not stored: nobody who reads the store can test a guess at the input.
        """
        return self.fingerprint_of_list(mutation, [input])

    def fingerprint_of_list(self, mutation: str, items: Iterable[bytes]) -> bytes:
        """Return the same for a list of JSON objects, which are read one by one."""
        found = hmac.new(self._hash(b"fingerprint"), mutation.encode() + b"\0", "sha256")
        for item in items:
            found.update(item)
        return found.digest()

    def tracking_id(self) -> str:
        """Return a UUID that is always the same for this key, and that does not reveal it."""
        return str(UUID(bytes=self._hash(b"trackingId")[:16], version=4))

    def _hash(self, purpose: bytes) -> bytes:
        return hashlib.sha256(purpose + b"\0" + self._key).digest()
