"""An answer of the REST API, and whether it belongs to the request that was sent.

A server or a proxy that loses count gives each request the answer of the one before. Most answers repeat the
`client-request-id` that was sent, and so tell whose they are; of the others, the ids that they hold are compared.
"""

import re

import httpx
import msgspec

from gateway.transport.answer import Response

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
            for text in value.decode("latin-1").split(","):  # a proxy may have joined two
                if text == client_request_id or is_same_uuid(text, client_request_id):
                    return True
                foreign = foreign or is_uuid(text)
    if foreign:
        raise ForeignAnswer
    return False


def require_own(echo: str | None, client_request_id: str) -> None:
    """Raise ForeignAnswer when the body of an error repeats the `client-request-id` of another request."""
    if echo is not None and is_uuid(echo) and not is_same_uuid(echo, client_request_id):
        raise ForeignAnswer


def is_same_uuid(text: str, uuid: str) -> bool:
    """Tell whether a text is that UUID, however it is written."""
    return _digits(text) == _digits(uuid)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID."""
    return _UUID.fullmatch(_digits(text)) is not None


def _digits(uuid: str) -> str:
    return uuid.strip(' \t"{}').replace("-", "").lower()
