"""`/graphql`: the ASGI application for GraphQL over HTTP."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.engine import DocumentError, Engine, Result
from gateway.errors import ErrorCode, Outcome, without_frames
from gateway.http.accept import GRAPHQL_RESPONSE, JSON, names_html, negotiate
from gateway.http.request import (
    HANG_UP,
    MAX_BODIES,
    Bodies,
    Disconnected,
    GraphQLRequest,
    Headers,
    Refusal,
    overloaded,
    read_body,
    read_headers,
    read_parameters,
    read_url,
)
from gateway.http.response import answer, not_applied
from gateway.telemetry import log_bug, note, note_errors

logger = logging.getLogger("gateway.http")

WATCH_AFTER = 1.0
"""Seconds before the client of a query is watched: most REST calls end by then, and watching costs a task."""

KIND = "gateway.kind"
"""Scope key for the kind of the operation, once it is known."""

GRACE = 1.0
"""Seconds that a query may still run after its client has disconnected. Most REST calls end by then, and cancelling one
costs its connection. A client that only closed its sending side still gets a response within this time."""

MAX_LOGGED_NAME = 100
"""Maximum number of characters of an operation's name in the log: the client chooses it."""


class GraphQLEndpoint:
    """Answers GraphQL requests, and serves the playground to browsers."""

    def __init__(
        self,
        engine: Engine,
        *,
        context: Callable[[Mapping[bytes, bytes]], object],
        playground: Callable[[], Response] | None = None,
        max_operations: int = 1000,
    ) -> None:
        """Serve the operations of an engine.

        `context` creates the resolvers' context from a request's headers; `playground` returns the playground's page.
        While `max_operations` are running or waiting for the REST API, or their bodies fill `MAX_BODIES`, new ones are
        refused.
        """
        self._engine = engine
        self._context = context
        self._playground = playground
        self._max_operations = max_operations
        self._running = 0
        self._bodies = Bodies()
        self._watchman = _Watchman()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its client has disconnected."""
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
        except Exception as error:  # noqa: BLE001 (last resort: a bug needs a response, too)
            log_bug(logger, error)
            outcome = Refusal(500, "Internal server error", code=ErrorCode.INTERNAL_SERVER_ERROR)
        errors = outcome.errors
        if errors:
            if _may_be_refused_mutation(scope, outcome):
                errors = not_applied(errors)
            note_errors(scope, errors)
        try:
            made = answer(outcome, media_type, errors)
        except Exception as error:  # noqa: BLE001 (a bug: a result that cannot be encoded)
            log_bug(logger, error)
            made = answer(*_unwritten(scope, media_type))
        await send({"type": "http.response.start", "status": made.status, "headers": made.headers})
        await send({"type": "http.response.body", "body": made.body})

    async def _respond(self, scope: Scope, headers: Headers, receive: Receive) -> Result:
        method = scope["method"]
        if method == "POST":
            request, size = await read_body(headers, receive, self._bodies)
        elif method == "GET":
            request, size = read_url(scope), 0  # the limit on a request's head bounds it
        else:
            raise Refusal(405, "The method must be GET or POST.", ((b"allow", b"GET, POST"),))
        if self._running >= self._max_operations or self._bodies.total + size > MAX_BODIES:
            raise overloaded()
        self._running += 1
        self._bodies.total += size
        try:
            return await self._run(request, headers, scope, receive)
        finally:
            self._running -= 1
            self._bodies.total -= size

    async def _run(self, request: GraphQLRequest, headers: Headers, scope: Scope, receive: Receive) -> Result:
        operation = self._engine.prepare(request.query or "", request.operation_name)
        scope[KIND] = operation.kind
        note(scope, kind=operation.kind, operation=(operation.name or "-")[:MAX_LOGGED_NAME])
        if operation.kind == "mutation" and scope["method"] == "GET":
            raise Refusal(405, "A mutation must be sent with POST.", ((b"allow", b"POST"),))
        context = self._context(headers.fields)
        if operation.kind == "mutation":
            return await _run_to_the_end(operation.execute(request.variables, context))
        with _ClientWatch(scope, receive, self._watchman):
            return await operation.execute(request.variables, context)


async def _run_to_the_end(mutation: Awaitable[Result]) -> Result:
    """Return the result of a mutation, even if the client has disconnected: what was sent cannot be recalled.

    Raises Refusal if its outcome is unknown.
    """
    try:
        return await mutation
    except asyncio.CancelledError:
        # Cancelled by the server, whose shutdown timeout has passed; the client is still connected.
        message, status = "The gateway shut down before the mutation completed.", 503
    except Exception as error:  # noqa: BLE001 (a bug must not hide that something may have been sent)
        log_bug(logger, error)
        message, status = "Internal server error", 500
    raise Refusal(status, message, code=ErrorCode.INTERNAL_SERVER_ERROR, outcome=Outcome.UNKNOWN)


def _wants_page(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "GET" and names_html(headers.accept) and "query" not in read_parameters(scope)


def _may_be_refused_mutation(scope: Scope, outcome: Result | DocumentError | Refusal) -> bool:
    """Return whether this may be a mutation that was refused before it ran. GET never runs a mutation."""
    if isinstance(outcome, Result) and outcome.executed:
        return False
    kind = outcome.kind if isinstance(outcome, DocumentError) else scope.get(KIND)
    return kind == "mutation" or (kind is None and scope["method"] != "GET")


def _unwritten(scope: Scope, media_type: str) -> tuple[Refusal, str, list[dict[str, object]]]:
    """Return the response in place of a result that cannot be encoded."""
    ran = Outcome.UNKNOWN if scope.get(KIND) == "mutation" else None
    refusal = Refusal(500, "Internal server error", code=ErrorCode.INTERNAL_SERVER_ERROR, outcome=ran)
    note_errors(scope, refusal.errors)
    return refusal, media_type, refusal.errors


def _not_acceptable() -> str:
    raise Refusal(406, f"The Accept header must allow {GRAPHQL_RESPONSE} or {JSON}.")


class _Watchman:
    """Watches the clients of the queries that have run for `WATCH_AFTER`, with one timer for all of them."""

    def __init__(self) -> None:
        self._new: OrderedDict[_ClientWatch, float] = OrderedDict()
        """Those that are not watched yet, and when they will be, in this order."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watch: "_ClientWatch", loop: asyncio.AbstractEventLoop) -> None:
        """Watch a query's client from `WATCH_AFTER` on."""
        self._new[watch] = when = loop.time() + WATCH_AFTER
        if self._timer is None:
            self._timer = loop.call_at(when, self._start, loop)

    def discard(self, watch: "_ClientWatch") -> None:
        """Do not start to watch a query's client."""
        self._new.pop(watch, None)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._new:
            watch, when = next(iter(self._new.items()))
            if when > loop.time():
                self._timer = loop.call_at(when, self._start, loop)
                return
            del self._new[watch]
            watch.start()


class _ClientWatch:
    """Cancels the current task some time after its client disconnects, and raises Disconnected."""

    def __init__(self, scope: Scope, receive: Receive, watchman: _Watchman) -> None:
        self._scope = scope
        self._receive = receive
        self._watchman = watchman
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._watcher: asyncio.Task[None] | None = None
        self._lost = False
        self._cancelled = False

    def __enter__(self) -> None:
        self._watchman.add(self, self._loop)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._watchman.discard(self)
        if self._watcher:
            self._watcher.cancel()
            self._watcher = None  # its CancelledError has frames that refer to this object
        if self._cancelled and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise Disconnected from None
        if self._lost and kind is None:  # nobody would read the response
            raise Disconnected

    def start(self) -> None:
        """Start to watch."""
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while not self._lost and HANG_UP not in self._scope:
            self._lost = (await self._receive())["type"] == "http.disconnect"
        await asyncio.sleep(GRACE)
        self._cancelled = True
        if self._task:
            self._task.cancel()
