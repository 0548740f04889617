"""What is known of the gateway's work from outside: request ids and the log.

The log has one line for each request, one for each bug, and those of `gateway.rest` for REST requests. No line
repeats a token, a value from a document, from its variables or from the REST API, nor the message of an exception,
which may hold one.
"""

import asyncio
import json
import logging
import random
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.sink import Sink, sink_of

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,128}")
_PLAIN = re.compile(r"[!#-<>-~]+", re.ASCII)
_TIME = "%Y-%m-%dT%H:%M:%S"
_DETAILS = "gateway.details"
"""The key in a request's scope of what else its line says: names and ids, never values."""

_TELLING = {
    "code": "codes",
    "outcome": "outcomes",
    "requestId": "upstream_request_ids",
    "clientRequestId": "client_request_ids",
}
"""Members of a GraphQL error's `extensions` that name something, and where the log has them."""

_loop = logging.getLogger("gateway.loop")
_uncaught = logging.getLogger("gateway.uncaught")
_request_id: ContextVar[str] = ContextVar("request_id", default="-")


class AccessLog:
    """Writes a line for each request, in the log's format.

    Lines are gathered and written together, ten times a second: `logging` takes several times longer for a line than
    the router does for its request.
    """

    FLUSH_AFTER = 0.1
    MAX_PATH = 200

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink or sink_of(sys.stderr)
        self._lines: list[str] = []
        self._second = 0
        self._time = ""

    def add(self, scope: Scope, status: int, seconds: float, request_id: str, details: Mapping[str, str]) -> None:
        """Add the line of a request."""
        if not self._lines:
            asyncio.get_running_loop().call_later(self.FLUSH_AFTER, self.flush)
        now = time.time()
        if (second := int(now)) != self._second:
            self._second = second
            self._time = time.strftime(_TIME, time.gmtime(second))
        more = "".join([f" {name}={_quoted(text)}" for name, text in details.items()])
        self._lines.append(
            f"{self._time}.{int((now - second) * 1000):03d}Z INFO gateway.access method={_quoted(scope['method'])}"
            f" path={_quoted(scope['path'][: self.MAX_PATH])} status={status} ms={seconds * 1000:.1f}{more}"
            f" request_id={request_id}\n"
        )

    def flush(self) -> None:
        """Write what has been gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._sink.write("".join(lines))

    async def close(self) -> None:
        """Write what has been gathered, and wait for it: a signal may be about to end the process."""
        self.flush()
        await asyncio.to_thread(self._sink.drain)


class RequestLog:
    """ASGI middleware: an `X-Request-Id` on every answer, the caller's if it is a sane token, and a line in the log."""

    def __init__(self, app: ASGIApp, log: AccessLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                await self._log.close()
            return
        request_id = _given_id(scope) or f"{random.getrandbits(128):032x}"
        _request_id.set(request_id)
        details: dict[str, str] = {}
        scope[_DETAILS] = details
        started = time.perf_counter()
        status = 499  # what nginx logs for a client that went away before its answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("ascii"))]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._log.add(scope, status, time.perf_counter() - started, request_id, details)


def note(scope: Scope, **details: str) -> None:
    """Add something to the line that the log will have of a request."""
    if _DETAILS in scope:
        scope[_DETAILS].update(details)


def note_errors(scope: Scope, errors: Iterable[Mapping[str, object]]) -> None:
    """Add what operators need to know of a request's GraphQL errors: their codes, and what leads to the REST calls."""
    all_extensions = [it for error in errors if isinstance(it := error.get("extensions"), Mapping)]
    for member, name in _TELLING.items():
        values = dict.fromkeys(str(extensions[member]) for extensions in all_extensions if member in extensions)
        if values:
            note(scope, **{name: ",".join(values)})


def log_bug(logger: logging.Logger, error: BaseException, **details: str) -> None:
    """Log an exception that nobody expected: its type and where it comes from."""
    logger.error(_logfmt(bug=type(error).__qualname__, at=_frames(error.__traceback__), **details))


def log_loop_error(_: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """Log what an event loop tells its exception handler; its own would print values."""
    error = context.get("exception")
    if isinstance(error, OSError) and "future" in context:
        # uvloop leaves the result of a TLS handshake to nobody when the connection is given up meanwhile.
        _loop.debug(_logfmt(lost=type(error).__qualname__))
    elif isinstance(error, BaseException):
        log_bug(_loop, error)
    else:
        _loop.error(_logfmt(bug=str(context.get("message"))))


def configure_logging(level: str = "info") -> None:
    """Send the log, and what Python would write there, to standard error, a line each."""
    handler = _Handler(sink_of(sys.stderr))
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("gateway").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of what any client can do
    logging.captureWarnings(capture=True)
    sys.unraisablehook = lambda found: _log_uncaught(found.exc_value)
    threading.excepthook = lambda found: _log_uncaught(found.exc_value)


def _log_uncaught(error: BaseException | None) -> None:
    if error is not None:
        log_bug(_uncaught, error)


class _Handler(logging.Handler):
    """Gives each record to a sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 (logging's own way would write the record's values)
            line = f"ERROR {record.name} a record could not be formatted: {type(error).__qualname__}"
        self._sink.write(line + "\n")


class _Formatter(logging.Formatter):
    """One line a record, whatever it holds: line breaks are escaped, an exception is its type and its frames."""

    converter = staticmethod(time.gmtime)
    default_time_format = _TIME
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).replace("\r", "\\r").replace("\n", "\\n")
        return line if (request_id := _request_id.get()) == "-" else f"{line} request_id={request_id}"

    def formatException(  # noqa: N802 (logging's name)
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return f"{ei[0].__qualname__ if ei[0] else None} at {_frames(ei[2])}"


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None
    return None


def _frames(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))


def _logfmt(**fields: str) -> str:
    return " ".join(f"{name}={_quoted(text)}" for name, text in fields.items())


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
