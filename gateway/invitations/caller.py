"""The caller: the client on whose behalf the API is called."""

import re
from collections.abc import Mapping

import msgspec

from gateway.invitations.failures import unauthenticated

_BEARER = re.compile(rb"bearer +[A-Za-z0-9\-._~+/]+=*", re.IGNORECASE)
"""RFC 6750, section 2.1. No other scheme is forwarded: a credential meant for someone else must not reach the API."""


class Caller(msgspec.Struct, frozen=True):
    """The client's headers that the API sees. To forward another header, change only this class."""

    authorization: bytes | None = None

    @classmethod
    def read(cls, headers: Mapping[bytes, bytes]) -> "Caller":
        """Return the caller from a request's headers, whose names are in lower case."""
        return cls(headers.get(b"authorization"))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers to send to the API. Raises InvitationsError if there is no bearer token."""
        token = (self.authorization or b"").strip(b" \t")  # RFC 9112, section 5.1
        if not _BEARER.fullmatch(token):
            raise unauthenticated()
        return [(b"Authorization", token)]

    def token(self) -> bytes:
        """Return the bearer token, however its scheme is written. Raises InvitationsError if there is none."""
        ((_, authorization),) = self.headers()
        return authorization.rpartition(b" ")[2]

    def __repr__(self) -> str:
        """Return a representation without the token."""
        return "Caller()"
