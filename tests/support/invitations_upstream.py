"""A REST API on a socket. The test chooses its responses; it records and parses the requests.

with InvitationsUpstream(replying(answer(201, b'{"id": "1"}'))) as upstream:
    ...
    assert [request.method for request in upstream.calls] == ["POST"]
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived on the socket; its header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply: TypeAlias = bytes | Callable[[UpstreamConnection], None]
"""The bytes of a response, or a function to call with the connection instead, which is then closed."""
Handler: TypeAlias = Callable[[Request], Reply]
"""Called for each request, in the connection's own thread, so it may block."""

BEYOND_THE_SCRIPT = answer(599, b"the test did not expect this request", content_type=b"text/plain")


class InvitationsUpstream(ScriptedUpstream):
    """Serve a handler on a free port of 127.0.0.1. The handler can be replaced at any time."""

    def __init__(self, handler: Handler | None = None) -> None:
        self.handler = handler or replying()
        super().__init__(self._serve_requests)

    @property
    def calls(self) -> list[Request]:
        """Every completely read request, in order."""
        return [parse(raw) for raw in self.requests]

    def expect(self, handler: Handler) -> None:
        """Use this handler from now on, and forget earlier requests."""
        self.handler = handler
        self.requests.clear()

    def _serve_requests(self, connection: UpstreamConnection) -> None:
        while (raw := connection.read_request()) is not None:
            reply = self.handler(parse(raw))
            if callable(reply):
                reply(connection)
                return
            connection.send(reply)


def replying(*replies: Reply) -> Handler:
    """Return a handler that sends each of these replies once, in order across all connections, then 599s."""
    lock = threading.Lock()
    left = iter(replies)

    def handler(_: Request) -> Reply:
        with lock:
            return next(left, BEYOND_THE_SCRIPT)

    return handler


def always(reply: Reply) -> Handler:
    """Return a handler that sends the same reply to every request."""
    return lambda _: reply


def json_answer(status: int, content: object, *headers: bytes) -> bytes:
    """Return a response with a JSON body."""
    return answer(status, json.dumps(content, ensure_ascii=False).encode(), *headers)


def parse(raw: bytes) -> Request:
    """Parse a request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = request_line.split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} appears twice"
        headers[name.lower()] = value
    return Request(method, target, headers, body)
