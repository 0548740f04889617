"""One REST call: its requests, one after the other, until there is an answer that counts."""

import asyncio
import random
import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway import __version__
from gateway.invitations.failures import InvitationsError, answered, unanswered, unauthenticated, unusable
from gateway.invitations.retries import MAX_TRIES, Retry, after_error, after_status
from gateway.invitations.transport import ResponseTooLarge

SHARE = 0.5
"""Of the time that is left, what may pass in line for a connection, and what may pass while one is made: one that comes
later would seldom be of use, and what the API then did for it, it would not do for another."""

_BEARER = re.compile(r"bearer +[A-Za-z0-9\-._~+/]+=*", re.ASCII | re.IGNORECASE)
"""RFC 6750, section 2.1. No other credential is passed on: one meant for somebody else must not reach the API."""

_T = TypeVar("_T")


class Answer(msgspec.Struct, frozen=True):
    """An answer with a status of success, not yet decoded."""

    response: httpx.Response
    content: bytes
    client_request_id: str

    def read(self, decode: Callable[[bytes], _T]) -> _T:
        """Decode the body. Raises InvitationsError when it is not what `decode` reads."""
        try:
            return decode(self.content)
        except (ValueError, RecursionError):
            raise unusable(self.response, self.client_request_id) from None


class Call(msgspec.Struct, frozen=True):
    """What is to be asked of the API.

    `target` is the path and query, percent-encoded; `deadline` a time of the running loop's clock, in seconds.
    """

    method: str
    target: str
    authorization: str | None
    deadline: float
    body: bytes | None = None

    def __repr__(self) -> str:
        """Show no token and no body."""
        return f"Call({self.method})"


def bearer(authorization: str | None) -> str:
    """Return the value of an `Authorization` header that holds a bearer token. Raises InvitationsError for others."""
    if authorization is None or not _BEARER.fullmatch(authorization):
        raise unauthenticated()
    return authorization


class RestClient:
    """Sends requests to one origin, each in the name of the caller whose bearer token it is given."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, url: str) -> None:
        """Take the base URL; only its scheme, host and port are looked at."""
        parts = urlsplit(url)
        self._transport = transport
        self._origin = httpx.URL(scheme=parts.scheme, netloc=parts.netloc.encode("ascii"))
        self._headers = [
            (b"Host", parts.netloc.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"invitations-gateway/" + __version__.encode("ascii")),
        ]

    async def send(self, call: Call) -> Answer:
        """Send a request until it has an answer that counts.

        Raises InvitationsError when there is no bearer token, no answer, or one that is not a success.
        """
        authorization = bearer(call.authorization)
        tries = 1
        new_connection = sent = False
        while True:
            try:
                return await self._try(call, authorization, new_connection=new_connection)
            except _TryFailedError as failed:
                retry = failed.retry
                sent = failed.error.sent = failed.error.sent or sent
                if tries == MAX_TRIES or retry is None or not retry.permits(call.method):
                    raise failed.error from None
                pause = retry.pause(tries)
                if _now() + pause >= call.deadline:
                    raise failed.error from None
                new_connection = retry.new_connection
            tries += 1
            await asyncio.sleep(pause)

    async def _try(self, call: Call, authorization: str, *, new_connection: bool) -> Answer:
        client_request_id = _uuid()
        request = self._request(call, authorization, client_request_id)
        if new_connection:
            request.extensions["new_connection"] = True
        try:
            response, content = await self._exchange(request)
        except httpx.TransportError as error:
            raise _TryFailedError(unanswered(error, client_request_id), after_error(error)) from None
        status = response.status_code
        if 200 <= status < 300:
            return Answer(response, content, client_request_id)
        failure = answered(response, content, client_request_id)
        raise _TryFailedError(failure, after_status(status, response.headers))

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """Return an answer and its body, which is empty when it is too large or encoded: neither can be used."""
        try:
            response = await self._transport.handle_async_request(request)
        except ResponseTooLarge as error:
            if error.response is None:
                raise
            return error.response, b""
        return response, response.content if response.is_closed else await _read(response)

    def _request(self, call: Call, authorization: str, client_request_id: str) -> httpx.Request:
        headers = [
            *self._headers,
            (b"Authorization", authorization.encode("ascii")),
            (b"client-request-id", client_request_id.encode("ascii")),
        ]
        body = call.body or b""
        if body:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        # Each phase may take what is left; the transport keeps the deadline over all of them.
        left = max(call.deadline - _now(), 0.001)
        return _Request(
            call.method,
            self._origin,
            headers,
            body,
            {
                "target": call.target.encode("ascii"),
                "deadline": call.deadline,
                "timeout": {"pool": left * SHARE, "connect": left * SHARE, "write": left, "read": left},
            },
        )


class _Request(httpx.Request):
    """An `httpx.Request`, made without what its constructor does for people: that takes as long as sending it."""

    def __init__(
        self, method: str, url: httpx.URL, fields: list[tuple[bytes, bytes]], body: bytes, extensions: dict[str, object]
    ) -> None:
        self.method = method
        self.url = url
        self.headers = _Headers(fields)
        self.stream = httpx.ByteStream(body)
        self.extensions = extensions


class _Headers(httpx.Headers):
    """`httpx.Headers` that are sent as they are, and sorted out only for who looks one up."""

    def __init__(self, fields: list[tuple[bytes, bytes]]) -> None:
        self._fields = fields

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The headers, in order."""
        return self._fields

    def __getattr__(self, name: str) -> object:
        # What httpx.Headers' own constructor would have set.
        super().__init__(self._fields)
        return super().__getattribute__(name)


class _TryFailedError(Exception):
    """One try failed: with what error, and how another may follow."""

    def __init__(self, error: InvitationsError, retry: Retry | None) -> None:
        super().__init__()
        self.error = error
        self.retry = retry


async def _read(response: httpx.Response) -> bytes:
    """Return the body; nothing of one that is encoded although `identity` was asked for.

    Unpacked it could have any size, and whether it unpacks at all must not decide what became of a request.
    """
    if response.headers.get("content-encoding", "identity").lower() == "identity":
        return await response.aread()
    await response.aclose()
    return b""


def _uuid() -> str:
    """Make a random UUID (RFC 9562, version 4), several times faster than by way of `uuid.UUID`."""
    it = f"{random.getrandbits(128):032x}"
    return f"{it[:8]}-{it[8:12]}-4{it[13:16]}-{'89ab'[int(it[16], 16) & 3]}{it[17:20]}-{it[20:]}"


def _now() -> float:
    return asyncio.get_running_loop().time()
