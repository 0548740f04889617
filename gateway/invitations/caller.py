"""The client that a call is made for."""

import re
from collections.abc import Mapping

import msgspec

from gateway.invitations.failures import unauthenticated

_BEARER = re.compile(rb"bearer +[A-Za-z0-9\-._~+/]+=*", re.IGNORECASE)
"""RFC 6750, section 2.1. No other credential is passed on: one meant for somebody else must not reach the API."""


class Caller(msgspec.Struct, frozen=True):
    """What the API gets to know of the client: a header that is passed on is a field here, and nowhere else."""

    authorization: bytes | None = None

    @classmethod
    def read(cls, headers: Mapping[bytes, bytes]) -> "Caller":
        """Read the client's headers, whose names are in lower case."""
        return cls(headers.get(b"authorization"))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers for the API. Raises InvitationsError when the client has sent no bearer token."""
        token = (self.authorization or b"").strip(b" \t")  # RFC 9112, section 5.1
        if not _BEARER.fullmatch(token):
            raise unauthenticated()
        return [(b"Authorization", token)]

    def __repr__(self) -> str:
        """Show no token."""
        return "Caller()"
