"""An answer of the REST API, and whether it belongs to the request that was sent.

A server or a proxy that loses count gives each request the answer of the one before. Most answers repeat the
`client-request-id` that was sent, and so tell whose they are; of the others, the ids that they hold are compared.
"""

import re

import httpx
import msgspec

from gateway.invitations.answer import Response

_HEADER = b"client-request-id"
_UUID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class ForeignAnswer(Exception):  # noqa: N818 (a fact about an answer)
    """The answer belongs to another request, so nothing is known of what became of this one."""


class Answer(msgspec.Struct, frozen=True):
    """An answer with a status of success, not yet decoded.

    `confirmed` is whether it repeats the request's own `client-request-id`.
    """

    status: int
    content: bytes
    confirmed: bool

    def require(self, expected: str, found: str) -> None:
        """Compare an id with the one that was sent; servers may change its case.

        Raises ForeignAnswer when they differ, or ValueError when the answer is certainly this request's.
        """
        if found != expected and found.lower() != expected.lower():
            if self.confirmed:
                raise ValueError("another id than the request's")
            raise ForeignAnswer


def is_confirmed(response: httpx.Response, client_request_id: str) -> bool:
    """Tell whether an answer says that it belongs to the request with this id; it may as well say nothing.

    Raises ForeignAnswer when it says that it belongs to another.
    """
    fields = response.fields if isinstance(response, Response) else response.headers.raw
    foreign = False
    for name, value in fields:
        if len(name) == len(_HEADER) and name.lower() == _HEADER:
            text = value.decode("latin-1")
            if text == client_request_id:
                return True
            digits = _digits(text)
            if digits == _digits(client_request_id):
                return True
            foreign = foreign or _UUID.fullmatch(digits) is not None
    if foreign:
        raise ForeignAnswer
    return False


def _digits(uuid: str) -> str:
    return uuid.strip(" \t{}").replace("-", "").lower()
