"""`/graphql`: an ASGI application that answers GraphQL requests over HTTP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.engine import DocumentError, Engine, Result
from gateway.errors import ErrorCode, Outcome, without_frames
from gateway.http.accept import GRAPHQL_RESPONSE, JSON, names_html, negotiate
from gateway.http.request import (
    HANG_UP,
    Disconnected,
    GraphQLRequest,
    Headers,
    Refusal,
    read_body,
    read_headers,
    read_parameters,
    read_url,
)
from gateway.http.response import answer, not_applied
from gateway.telemetry import log_bug, note, note_errors

logger = logging.getLogger("gateway.http")

WATCH_AFTER = 0.05
"""Seconds that a query may run before its client is watched: most are done by then, and watching costs a task."""

KIND = "gateway.kind"
"""The key in a request's scope of its operation's kind, once that is known."""

GRACE = 1.0
"""Seconds that a query whose client has left may still run: most REST calls end within it, and one that is cancelled
costs its connection. A client that has only ended its side gets its answer within it."""

MAX_LOGGED_NAME = 100
"""Characters of an operation's name in the log: the client chooses it."""


class GraphQLEndpoint:
    """Answers GraphQL requests; gives a person's browser the playground."""

    def __init__(
        self,
        engine: Engine,
        *,
        context: Callable[[Mapping[bytes, bytes]], object],
        playground: Callable[[], Response] | None = None,
        max_operations: int = 1000,
    ) -> None:
        """Take what makes a resolver's context from a request's headers, the playground's page, and a bound.

        While `max_operations` are running or waiting for the upstream, no other is begun.
        """
        self._engine = engine
        self._context = context
        self._playground = playground
        self._max_operations = max_operations
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or none if its client went away."""
        media_type = JSON
        outcome: Result | DocumentError | Refusal
        try:
            headers = read_headers(scope)
            if self._playground and _wants_page(scope, headers):
                await self._playground()(scope, receive, send)
                return
            media_type = negotiate(headers.accept) or _not_acceptable()
            outcome = await self._respond(scope, headers, receive)
        except (Refusal, DocumentError) as refusal:
            outcome = refusal
            without_frames(refusal)
        except Disconnected:
            if hang_up := scope.get(HANG_UP):
                hang_up()
            return
        except Exception as error:  # noqa: BLE001 (the last resort: a bug of ours must have an answer, too)
            log_bug(logger, error)
            outcome = Refusal(500, "Internal server error", code=ErrorCode.INTERNAL_SERVER_ERROR)
        errors = outcome.errors
        if errors:
            if _may_be_refused_mutation(scope, outcome):
                errors = not_applied(errors)
            note_errors(scope, errors)
        try:
            made = answer(outcome, media_type, errors)
        except Exception as error:  # noqa: BLE001 (a bug of ours: a result that is no JSON)
            log_bug(logger, error)
            made = answer(*_unwritten(scope, media_type))
        await send({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await send({"type": "http.response.body", "body": made.body})

    async def _respond(self, scope: Scope, headers: Headers, receive: Receive) -> Result:
        method = scope["method"]
        if method == "POST":
            request = await read_body(headers, receive)
        elif method == "GET":
            request = read_url(scope)
        else:
            raise Refusal(405, "The method must be GET or POST.", ((b"allow", b"GET, POST"),))
        if self._running >= self._max_operations:
            message = "The gateway is overloaded. Try again later."
            raise Refusal(503, message, ((b"retry-after", b"1"),), ErrorCode.OVERLOADED)
        self._running += 1
        try:
            return await self._run(request, headers, scope, receive)
        finally:
            self._running -= 1

    async def _run(self, request: GraphQLRequest, headers: Headers, scope: Scope, receive: Receive) -> Result:
        operation = self._engine.prepare(request.query or "", request.operation_name)
        scope[KIND] = operation.kind
        note(scope, kind=operation.kind, operation=(operation.name or "-")[:MAX_LOGGED_NAME])
        if operation.kind == "mutation" and scope["method"] == "GET":
            raise Refusal(405, "A mutation must be sent with POST.", ((b"allow", b"POST"),))
        context = self._context(headers.fields)
        if operation.kind == "mutation":
            return await _run_to_the_end(operation.execute(request.variables, context))
        with _ClientWatch(scope, receive):
            return await operation.execute(request.variables, context)


async def _run_to_the_end(mutation: Awaitable[Result]) -> Result:
    """Run a mutation whether anybody listens or not: what was sent upstream cannot be called back.

    Raises Refusal when it cannot be told what became of it.
    """
    try:
        return await mutation
    except asyncio.CancelledError:
        # By the server, which has waited as long as it may; the client is still there.
        message, status = "The gateway shut down before the mutation completed.", 503
    except Exception as error:  # noqa: BLE001 (a bug of ours must not hide that something may have been sent)
        log_bug(logger, error)
        message, status = "Internal server error", 500
    raise Refusal(status, message, code=ErrorCode.INTERNAL_SERVER_ERROR, outcome=Outcome.UNKNOWN)


def _wants_page(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "GET" and names_html(headers.accept) and "query" not in read_parameters(scope)


def _may_be_refused_mutation(scope: Scope, outcome: Result | DocumentError | Refusal) -> bool:
    """Say whether a request that may be a mutation was refused before anything ran. GET never runs a mutation."""
    if isinstance(outcome, Result) and outcome.executed:
        return False
    kind = outcome.kind if isinstance(outcome, DocumentError) else scope.get(KIND)
    return kind == "mutation" or (kind is None and scope["method"] != "GET")


def _unwritten(scope: Scope, media_type: str) -> tuple[Refusal, str, list[dict[str, object]]]:
    """Return what is answered in place of a result that cannot be written."""
    ran = Outcome.UNKNOWN if scope.get(KIND) == "mutation" else None
    refusal = Refusal(500, "Internal server error", code=ErrorCode.INTERNAL_SERVER_ERROR, outcome=ran)
    note_errors(scope, refusal.errors)
    return refusal, media_type, refusal.errors


def _not_acceptable() -> str:
    raise Refusal(406, f"The Accept header must allow {GRAPHQL_RESPONSE} or {JSON}.")


class _ClientWatch:
    """Cancels the current task a while after its client has left, and raises Disconnected then."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._lost = False
        self._cancelled = False

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(WATCH_AFTER, self._start)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        if self._watcher:
            self._watcher.cancel()
        if self._cancelled and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise Disconnected from None
        if self._lost and kind is None:  # nobody is there to read the answer
            raise Disconnected

    def _start(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while not self._lost and HANG_UP not in self._scope:
            self._lost = (await self._receive())["type"] == "http.disconnect"
        await asyncio.sleep(GRACE)
        self._cancelled = True
        if self._task:
            self._task.cancel()
