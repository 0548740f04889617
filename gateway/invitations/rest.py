"""One call of the REST API, with its retries."""

import asyncio
from collections.abc import Callable
from functools import partial
from logging import DEBUG
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from gateway import __version__
from gateway.invitations.caller import Caller
from gateway.invitations.correlation import Answer, ForeignAnswer, is_confirmed, new_uuid, require_own
from gateway.invitations.failures import (
    InvitationsError,
    answered,
    foreign,
    throttled,
    unanswered,
    unusable,
)
from gateway.invitations.graph_error import read_graph_error
from gateway.invitations.rest_log import Try, log_cancelled, log_failure, log_success
from gateway.invitations.rest_log import logger as rest_log
from gateway.invitations.retries import (
    AFTER_FOREIGN_ANSWER,
    AFTER_SOME_TIME,
    MAX_TRIES,
    Retry,
    after_error,
    after_status,
)
from gateway.invitations.throttle import Throttle
from gateway.transport import Request, ResponseTooLarge

QUEUE_SHARE = 0.25
"""Share of the remaining time for waiting until fewer requests are in flight. A request sent later would rarely be
answered in time, and the API would spend work on it that other requests need."""
CONNECT_SHARE = 0.5
"""Share of the remaining time for connecting."""
THROTTLE_SHARE = 0.75
"""Share of the remaining time for waiting while the API throttles the caller. A mutation that is sent later would often
time out, and then nobody knows whether it was applied."""

_T = TypeVar("_T")
_Headers: TypeAlias = list[tuple[bytes, bytes]]


class Call(msgspec.Struct, frozen=True):
    """A request to make of the API.

    `target` is the path and query, percent-encoded. `deadline` is in seconds, on the event loop's clock.
    With `once`, it neither waits for a throttled caller nor is retried; the error says how it may be. `begin` is called
    right before the request is written; it raises InvitationsError if nothing may be sent.
    """

    method: str
    target: str
    caller: Caller
    deadline: float
    body: bytes | None = None
    once: bool = False
    begin: Callable[[], None] | None = None

    def __repr__(self) -> str:
        """Return a representation without the token and the body."""
        return f"Call({self.method})"


class RestClient:
    """Sends requests to one origin, each on behalf of a caller."""

    def __init__(self, transport: httpx.AsyncBaseTransport, *, url: str) -> None:
        """`url` is the base URL; only its scheme, host and port are used."""
        parts = urlsplit(url)
        self.throttle = Throttle(api=url)
        self._transport = transport
        self._origin = httpx.URL(scheme=parts.scheme, netloc=parts.netloc.encode("ascii"))
        self._headers = [
            (b"Host", parts.netloc.encode("ascii")),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", b"invitations-gateway/" + __version__.encode("ascii")),
        ]

    async def send(self, call: Call, read: Callable[[Answer], _T]) -> _T:
        """Send a request, with retries, and return the result of `read` for its response.

        `read` raises ValueError or RecursionError for an unusable response, and ForeignAnswer for another request's.
        Raises InvitationsError if there is no bearer token, no response, or no success that `read` accepts.
        """
        callers_headers = call.caller.headers()
        tries = 1
        new_connection = sent = False
        while True:
            if self.throttle.callers:
                await self._wait(call, sent=sent)
            try:
                return await self._try(call, callers_headers, read, tries, new_connection=new_connection)
            except _HeldError:
                continue
            except _TryFailedError as failed:
                retry = failed.error.retry = failed.retry
                sent = failed.error.sent = failed.error.sent or sent
                is_throttled = failed.error.extensions.get("status") == 429
                if is_throttled:
                    self.throttle.add(call.caller, (retry or AFTER_SOME_TIME).hold(tries))
                if call.once or tries == MAX_TRIES or retry is None or not retry.permits(call.method):
                    raise failed.error from None
                pause = retry.pause(tries)
                if _now() + pause >= call.deadline or (is_throttled and self.throttle.is_crowded(call.caller)):
                    raise failed.error from None
                new_connection = retry.new_connection
            tries += 1
            await (self.throttle.sleep(call.caller, pause) if is_throttled else asyncio.sleep(pause))

    async def _wait(self, call: Call, *, sent: bool) -> None:
        """Wait while the API throttles the caller. Raises InvitationsError at once if that would take too long."""
        limit = 0.0 if call.once else THROTTLE_SHARE * (call.deadline - _now())
        seconds = await self.throttle.wait(call.caller, limit)
        if seconds is not None:
            raise throttled(seconds, sent=sent)

    def _before_write(self, call: Call) -> None:
        """Raise _HeldError if the API throttles the caller by now, or what the call's `begin` raises."""
        if self.throttle.callers and self.throttle.left(call.caller) > 0:
            raise _HeldError
        if call.begin:
            call.begin()

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
        """Return a response and its body. A body that is too large or encoded is unusable, and returned as empty."""
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
        # The transport enforces the deadline over all phases.
        left = call.deadline - this.started
        return Request(
            call.method,
            self._origin,
            headers,
            body,
            {
                "target": call.target.encode("ascii"),
                "deadline": call.deadline,
                "before_write": partial(self._before_write, call),
                "timeout": {"pool": left * QUEUE_SHARE, "connect": left * CONNECT_SHARE},
            },
        )


class _HeldError(Exception):
    """The request was not written: the API throttles its caller since it began to wait."""


class _TryFailedError(Exception):
    """A failed attempt: its error, how it may be retried, and its cause for the log."""

    def __init__(self, error: InvitationsError, retry: Retry | None, cause: str = "") -> None:
        super().__init__()
        self.error = error
        self.retry = retry
        self.cause = cause


def _read_answer(response: httpx.Response, content: bytes, client_request_id: str, read: Callable[[Answer], _T]) -> _T:
    """Return the result of `read`. Raises _TryFailedError if the response is not a success, unusable or foreign."""
    status = response.status_code
    try:
        confirmed = is_confirmed(response, client_request_id)
        if 200 <= status < 300:
            return read(Answer(status, content, confirmed))
        graph = read_graph_error(content)
        if not confirmed:
            require_own(graph.client_request_id, client_request_id)
    except ForeignAnswer:
        response.extensions.get("discard", _do_nothing)()  # Later responses on this connection would be foreign, too.
        raise _TryFailedError(foreign(client_request_id), AFTER_FOREIGN_ANSWER, "foreign") from None
    except (ValueError, RecursionError):
        raise _TryFailedError(unusable(response, client_request_id), None, "unusable") from None
    failure = answered(response, graph, client_request_id)
    raise _TryFailedError(failure, after_status(status, response.headers), "status")


async def _read_body(response: httpx.Response) -> bytes:
    """Return the body, or nothing if it is encoded although `identity` was requested.

    Decoded it could have any size, and a decoding error must not decide the outcome of a request.
    """
    if response.headers.get("content-encoding", "identity").strip().lower() == "identity":
        return await response.aread()
    await response.aclose()
    return b""


def _do_nothing() -> None:
    """Do nothing: for transports without a `discard` extension."""


def _now() -> float:
    return asyncio.get_running_loop().time()
