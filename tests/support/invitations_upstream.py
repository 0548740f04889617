"""A REST API on a socket that answers as a test says, and records what it was asked, parsed.

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
    """A request as it came over the socket: the header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Reply: TypeAlias = bytes | Callable[[UpstreamConnection], None]
"""The bytes of an answer, or what is done with the connection instead; it is closed afterwards then."""
Handler: TypeAlias = Callable[[Request], Reply]
"""Called for each request, in a thread of its connection's own; it may wait."""

BEYOND_THE_SCRIPT = answer(599, b"the test did not expect this request", content_type=b"text/plain")


class InvitationsUpstream(ScriptedUpstream):
    """Serves a handler on a free port of 127.0.0.1; the handler can be changed at any time."""

    def __init__(self, handler: Handler | None = None) -> None:
        self.handler = handler or replying()
        super().__init__(self._serve_requests)

    @property
    def calls(self) -> list[Request]:
        """Every request that was read whole, in order."""
        return [parse(raw) for raw in self.requests]

    def expect(self, handler: Handler) -> None:
        """Answer by this handler from now on, and forget what was asked before."""
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
    """Answer the requests of all connections with these, each once and in order; what comes beyond gets a 599."""
    lock = threading.Lock()
    left = iter(replies)

    def handler(_: Request) -> Reply:
        with lock:
            return next(left, BEYOND_THE_SCRIPT)

    return handler


def always(reply: Reply) -> Handler:
    """Answer every request with the same."""
    return lambda _: reply


def json_answer(status: int, content: object, *headers: bytes) -> bytes:
    """Return an answer with a JSON body."""
    return answer(status, json.dumps(content, ensure_ascii=False).encode(), *headers)


def parse(raw: bytes) -> Request:
    """Read a request's bytes."""
    head, _, body = raw.partition(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    method, target, version = request_line.split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} is there twice"
        headers[name.lower()] = value
    return Request(method, target, headers, body)
