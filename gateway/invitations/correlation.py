"""The ids of requests, and whether a response of the REST API belongs to the request that was sent.

A server or proxy that loses count answers each request with the response to the one before. Most responses repeat the
`client-request-id` that was sent and so identify their request; for the others, the ids they contain are compared.
"""

import random
import re

import httpx
import msgspec

from gateway.transport import Response

_HEADER = b"client-request-id"
_UUID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_uuid() -> str:
    """Return a random UUID (RFC 9562, version 4), several times faster than `str(uuid.uuid4())`."""
    it = f"{random.getrandbits(128):032x}"
    return f"{it[:8]}-{it[8:12]}-4{it[13:16]}-{'89ab'[int(it[16], 16) & 3]}{it[17:20]}-{it[20:]}"


class ForeignAnswer(Exception):  # noqa: N818 (a fact about a response)
    """The response belongs to another request, so the outcome of this one is unknown."""


class Answer(msgspec.Struct, frozen=True):
    """A response with a success status, not yet decoded.

    `confirmed` means that it repeats the request's own `client-request-id`.
    """

    status: int
    content: bytes
    confirmed: bool

    def require(self, expected: str, found: str) -> None:
        """Compare an id with the one that was sent, ignoring case: servers may change it.

        Raises ForeignAnswer if they differ, or ValueError if the response is confirmed to be this request's.
        """
        if found != expected and found.lower() != expected.lower():
            if self.confirmed:
                raise ValueError("another id than the request's")
            raise ForeignAnswer


def is_confirmed(response: httpx.Response, client_request_id: str) -> bool:
    """Return whether a response repeats this `client-request-id`; False if it repeats none.

    Raises ForeignAnswer if it repeats only that of another request.
    """
    fields = response.fields if isinstance(response, Response) else response.headers.raw
    foreign = False
    for name, value in fields:
        if len(name) == len(_HEADER) and name.lower() == _HEADER:
            for text in value.decode("latin-1").split(","):  # a proxy may have joined two headers
                if text == client_request_id or is_same_uuid(text, client_request_id):
                    return True
                foreign = foreign or is_uuid(text)
    if foreign:
        raise ForeignAnswer
    return False


def require_own(echo: str | None, client_request_id: str) -> None:
    """Raise ForeignAnswer if an error body repeats the `client-request-id` of another request."""
    if echo is not None and is_uuid(echo) and not is_same_uuid(echo, client_request_id):
        raise ForeignAnswer


def is_same_uuid(text: str, uuid: str) -> bool:
    """Return whether a text is this UUID, in any notation."""
    return _digits(text) == _digits(uuid)


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID, in any notation."""
    return _UUID.fullmatch(_digits(text)) is not None


def _digits(uuid: str) -> str:
    return uuid.strip(' \t"{}').replace("-", "").lower()
