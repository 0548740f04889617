"""One REST call: its requests, one after the other, until there is an answer that counts."""

import asyncio
from collections.abc import Callable
from logging import DEBUG
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway import __version__
from gateway.invitations.caller import Caller
from gateway.invitations.correlation import Answer, ForeignAnswer, is_confirmed, require_own
from gateway.invitations.failures import (
    InvitationsError,
    answered,
    foreign,
    unanswered,
    unusable,
)
from gateway.invitations.graph_error import read_graph_error
from gateway.invitations.request import Request, new_uuid
from gateway.invitations.rest_log import Try, log_cancelled, log_failure, log_success
from gateway.invitations.rest_log import logger as rest_log
from gateway.invitations.retries import AFTER_FOREIGN_ANSWER, MAX_TRIES, Retry, after_error, after_status
from gateway.transport.transport import ResponseTooLarge

SHARE = 0.5
"""Of the time that is left, what may pass in line for a connection, and what may pass while one is made: one that comes
later would seldom be of use, and what the API then did for it, it would not do for another."""

_T = TypeVar("_T")
_Headers: TypeAlias = list[tuple[bytes, bytes]]


class Call(msgspec.Struct, frozen=True):
    """What is to be asked of the API.

    `target` is the path and query, percent-encoded; `deadline` a time of the running loop's clock, in seconds.
    """

    method: str
    target: str
    caller: Caller
    deadline: float
    body: bytes | None = None

    def __repr__(self) -> str:
        """Show no token and no body."""
        return f"Call({self.method})"


class RestClient:
    """Sends requests to one origin, each on behalf of a caller."""

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

    async def send(self, call: Call, read: Callable[[Answer], _T]) -> _T:
        """Send a request until it has an answer that counts, and return what `read` makes of that.

        `read` raises ValueError or RecursionError for an answer that cannot be used, and ForeignAnswer for one that
        belongs to another request. Raises InvitationsError when there is no bearer token, no answer, or one that is
        not a success that `read` accepts.
        """
        callers_headers = call.caller.headers()
        tries = 1
        new_connection = sent = False
        while True:
            try:
                return await self._try(call, callers_headers, read, tries, new_connection=new_connection)
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

    async def _try(
        self, call: Call, callers_headers: _Headers, read: Callable[[Answer], _T], number: int, *, new_connection: bool
    ) -> _T:
        this = Try(call.method, number, _now(), new_uuid())
        request = self._request(call, callers_headers, this)
        if new_connection:
            request.extensions["new_connection"] = True
        try:
            response, content = await self._exchange(request)
        except httpx.TransportError as error:
            failure = unanswered(error, this.client_request_id)
            log_failure(this, failure, None, _now(), cause=type(error).__name__)
            raise _TryFailedError(failure, after_error(error)) from None
        except asyncio.CancelledError:
            log_cancelled(this, _now())
            raise
        try:
            value = _read_answer(response, content, this.client_request_id, read)
        except _TryFailedError as failed:
            log_failure(this, failed.error, response, _now(), cause=failed.cause)
            raise
        if rest_log.isEnabledFor(DEBUG):
            log_success(this, response, _now())
        return value

    async def _exchange(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """Return an answer and its body, which is empty when it is too large or encoded: neither can be used."""
        try:
            response = await self._transport.handle_async_request(request)
        except ResponseTooLarge as error:
            if error.response is None:
                raise
            return error.response, b""
        return response, response.content if response.is_closed else await _read_body(response)

    def _request(self, call: Call, callers_headers: _Headers, this: Try) -> httpx.Request:
        headers = [
            *self._headers,
            *callers_headers,
            (b"client-request-id", this.client_request_id.encode("ascii")),
        ]
        body = call.body or b""
        if body:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
        # Each phase may take what is left; the transport keeps the deadline over all of them.
        left = max(call.deadline - this.started, 0.001)
        return Request(
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


class _TryFailedError(Exception):
    """One try failed: with what error, how another may follow, and what the log says of it."""

    def __init__(self, error: InvitationsError, retry: Retry | None, cause: str = "") -> None:
        super().__init__()
        self.error = error
        self.retry = retry
        self.cause = cause


def _read_answer(response: httpx.Response, content: bytes, client_request_id: str, read: Callable[[Answer], _T]) -> _T:
    """Return what `read` makes of an answer. Raises _TryFailedError when it is no success, or not this request's."""
    status = response.status_code
    try:
        confirmed = is_confirmed(response, client_request_id)
        if 200 <= status < 300:
            return read(Answer(status, content, confirmed))
        graph = read_graph_error(content)
        if not confirmed:
            require_own(graph.client_request_id, client_request_id)
    except ForeignAnswer:
        response.extensions.get("discard", _do_nothing)()  # What else comes on this connection is not ours either.
        raise _TryFailedError(foreign(client_request_id), AFTER_FOREIGN_ANSWER, "foreign") from None
    except (ValueError, RecursionError):
        raise _TryFailedError(unusable(response, client_request_id), None, "unusable") from None
    failure = answered(response, graph, client_request_id)
    raise _TryFailedError(failure, after_status(status, response.headers), "status")


async def _read_body(response: httpx.Response) -> bytes:
    """Return the body; nothing of one that is encoded although `identity` was asked for.

    Unpacked it could have any size, and whether it unpacks at all must not decide what became of a request.
    """
    if response.headers.get("content-encoding", "identity").strip().lower() == "identity":
        return await response.aread()
    await response.aclose()
    return b""


def _do_nothing() -> None:
    """Stand for what a transport does not offer."""


def _now() -> float:
    return asyncio.get_running_loop().time()
