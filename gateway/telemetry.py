"""Request ids and the log.

The log has one line for each request and each bug, and the lines of `gateway.rest` for REST requests. No line contains
a token, a value from a document, variables or the REST API, or the message of an exception, which could contain one.
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
"""Scope key for additional fields of a request's line: names and ids, never values."""

_TELLING = {
    "code": "codes",
    "outcome": "outcomes",
    "requestId": "upstream_request_ids",
    "clientRequestId": "client_request_ids",
}
"""Members of a GraphQL error's `extensions` that are logged, and their names in the log."""

_loop = logging.getLogger("gateway.loop")
_uncaught = logging.getLogger("gateway.uncaught")
_request_id: ContextVar[str] = ContextVar("request_id", default="-")


class AccessLog:
    """Writes a line for each request, in the log's format.

    Lines are buffered and written ten times a second: `logging` takes several times longer for a line than the router
    takes for a request.
    """

    FLUSH_AFTER = 0.1
    MAX_PATH = 200

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink or sink_of(sys.stderr)
        self._lines: list[str] = []
        self._second = 0
        self._time = ""

    def add(self, scope: Scope, status: int, seconds: float, request_id: str, details: Mapping[str, str]) -> None:
        """Add a request's line."""
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
        """Write the buffered lines."""
        lines, self._lines = self._lines, []
        if lines:
            self._sink.write("".join(lines))

    async def close(self) -> None:
        """Write the buffered lines and wait for them: a signal may be about to end the process."""
        self.flush()
        await asyncio.to_thread(self._sink.drain)


class RequestLog:
    """ASGI middleware that logs each request and adds an `X-Request-Id`: the caller's, if it is a plain token."""

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
        status = 499  # what nginx logs if the client disconnects before the response

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
    """Add fields to a request's line in the log."""
    if _DETAILS in scope:
        scope[_DETAILS].update(details)


def note_errors(scope: Scope, errors: Iterable[Mapping[str, object]]) -> None:
    """Add what operators need about a request's GraphQL errors: codes, and the ids of REST requests."""
    all_extensions = [it for error in errors if isinstance(it := error.get("extensions"), Mapping)]
    for member, name in _TELLING.items():
        values = dict.fromkeys(str(extensions[member]) for extensions in all_extensions if member in extensions)
        if values:
            note(scope, **{name: ",".join(values)})


def log_bug(logger: logging.Logger, error: BaseException, **details: str) -> None:
    """Log an unexpected exception: its type and traceback."""
    logger.error(_logfmt(bug=type(error).__qualname__, at=_frames(error.__traceback__), **details))


def log_loop_error(_: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
    """Log an error of the event loop; the default handler would print values."""
    error = context.get("exception")
    if isinstance(error, OSError) and "future" in context:
        # If a connection is abandoned during its TLS handshake, uvloop leaves the handshake's result unretrieved.
        _loop.debug(_logfmt(lost=type(error).__qualname__))
    elif isinstance(error, BaseException):
        log_bug(_loop, error)
    else:
        _loop.error(_logfmt(bug=str(context.get("message"))))


def configure_logging(level: str = "info") -> None:
    """Write the log, warnings and uncaught exceptions to standard error, one line each."""
    handler = _Handler(sink_of(sys.stderr))
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("gateway").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # its warnings can be caused by any client
    logging.captureWarnings(capture=True)
    sys.unraisablehook = lambda found: _log_uncaught(found.exc_value)
    threading.excepthook = lambda found: _log_uncaught(found.exc_value)


def _log_uncaught(error: BaseException | None) -> None:
    if error is not None:
        log_bug(_uncaught, error)


class _Handler(logging.Handler):
    """Writes records to a sink."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 (logging's own handling would write the record's values)
            line = f"ERROR {record.name} a record could not be formatted: {type(error).__qualname__}"
        self._sink.write(line + "\n")


class _Formatter(logging.Formatter):
    """Formats each record as one line: line breaks are escaped, exceptions become type and frames."""

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
