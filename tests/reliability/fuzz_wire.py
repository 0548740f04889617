"""Both ends of the gateway as bytes on sockets: clients that send anything, and an upstream that answers anything."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from support.gateway import GatewayProcess, gateway_process

LIMIT = 60.0
"""Seconds that no answer takes, however busy the machine is: past them the gateway hangs."""
PATIENCE = 0.02
"""Seconds that a client which may have sent half a request waits for the first byte before it hangs up."""
COLLECTION = "/v1.0/linkedIn/invitations"
UPSTREAM_TIMEOUT = "0.2"

Then = Literal["keep", "close", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the upstream answers, and what it does with the connection then."""

    data: bytes
    then: Then = "keep"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered to one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the gateway, as the upstream read it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Upstream:
    """Answers each request by its bearer token, and keeps what it was asked."""

    replies: dict[str, Reply] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    malformed: list[bytes] = field(default_factory=list)

    def forget(self) -> None:
        """Begin anew."""
        self.replies.clear()
        self.calls.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                reply = self._answer(await reader.readuntil(b"\r\n\r\n"), reader)
                await self._send(await reply, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway hung up, the reply says so, or all is over
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader) -> Reply:
        start, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
        found = dict(headers)
        body = await reader.readexactly(int(found.get("content-length", "0")))
        parts = start.split(" ")
        if len(parts) != 3 or len(found) != len(headers):
            self.malformed.append(head)
            return Reply(b"", "close")
        token = found.get("authorization", "")
        self.calls[token].append(Call(parts[0], parts[1], headers, body))
        return self.replies.get(token) or good_reply(parts[0], parts[1])

    async def _send(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply.data)
        await writer.drain()
        if reply.then == "hang":
            await reader.read(1)  # until the gateway gives up, or asks for something else
        if reply.then == "reset":
            writer.transport.abort()
        if reply.then != "keep":
            raise ConnectionError


def good_reply(method: str, target: str, id: str = "1") -> Reply:
    """Answer as the REST API does."""
    invitation = {"id": id, "created": 1484671714434, "inviter": "urn:li:person:1", "message": None}
    content: object = invitation
    if method == "GET" and target.partition("?")[0] == COLLECTION:
        content = {"value": [invitation, {"id": id}]}
    body = json.dumps(content).encode()
    status = b"201 Created" if method == "POST" else b"200 OK"
    return Reply(
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    )


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """A gateway process between clients and an upstream of this process, which live while something is exchanged."""

    def __init__(self, runner: asyncio.Runner, upstream: Upstream, gateway: GatewayProcess) -> None:
        self.upstream = upstream
        self.gateway = gateway
        self._runner = runner
        self._idle: list[Connection] = []

    def exchange(self, requests: Sequence[bytes], *, fresh: bool = False) -> list[Answer]:
        """Send whole requests side by side, and read the one answer that each must have."""

        async def all_of_them() -> list[Answer]:
            return await asyncio.gather(*(self._exchange(request, fresh=fresh) for request in requests))

        return self._runner.run(all_of_them())

    def throw(self, many: Sequence[bytes]) -> list[bytes]:
        """Send bytes side by side, hang up, and give all that came back, up to the connection's end."""

        async def all_of_them() -> list[bytes]:
            return await asyncio.gather(*map(self._throw, many))

        return self._runner.run(all_of_them())

    def assert_alive(self) -> None:
        """Assert that the gateway still answers."""
        (answer,) = self.exchange([post({"query": "{ __typename }"})])
        assert answer.json() == {"data": {"__typename": "Query"}}

    async def _exchange(self, request: bytes, *, fresh: bool) -> Answer:
        async with asyncio.timeout(LIMIT):
            connection = self._idle.pop() if self._idle and not fresh else await self._connect()
            reader, writer = connection
            writer.write(request)
            answer = await _read(reader, head_only=request.startswith(b"HEAD "))
        if fresh or answer.headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append(connection)
        return answer

    async def _throw(self, data: bytes) -> bytes:
        async with asyncio.timeout(LIMIT):
            reader, writer = await self._connect()
            came = b""
            try:
                writer.write(data)
                try:
                    async with asyncio.timeout(PATIENCE):
                        came = await reader.read(65_536)
                except TimeoutError:
                    writer.write_eof()
                else:
                    writer.write_eof()
                while part := await reader.read(65_536):
                    came += part
            except OSError:
                pass  # it need not read what it refuses
            finally:
                writer.close()
        return came

    async def _connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self.gateway.port)

    async def close(self) -> None:
        """Close the idle connections."""
        for _, writer in self._idle:
            writer.close()


async def _read(reader: asyncio.StreamReader, *, head_only: bool) -> Answer:
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(start.split(" ")[1])
        if status >= 200:
            break
    if head_only:
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return Answer(status, headers, body)
    if "content-length" in headers:
        return Answer(status, headers, await reader.readexactly(int(headers["content-length"])))
    return Answer(status, headers, await reader.read())  # uvicorn's own refusal, which ends the connection


@contextmanager
def wire(**settings: str) -> Iterator[Wire]:
    """Run `serve` in front of an upstream of this process."""
    upstream = Upstream()
    settings = {"UPSTREAM_TIMEOUT": UPSTREAM_TIMEOUT, **settings}
    with asyncio.Runner() as runner:
        server = runner.run(asyncio.start_server(upstream.serve, "127.0.0.1", 0))
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1.0"
        try:
            with gateway_process("serve", UPSTREAM_URL=url, **settings) as gateway:
                made = Wire(runner, upstream, gateway)
                try:
                    yield made
                finally:
                    runner.run(made.close())
        finally:
            server.close()


def post(content: object, *headers: bytes) -> bytes:
    """Return the bytes of a GraphQL request; what is no JSON in it stands as Python would write it."""
    body = json.dumps(content).encode("utf-8")
    lines = [
        b"POST /graphql HTTP/1.1",
        b"Host: gateway.test",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def bad_lines(log: str) -> list[str]:
    """Give the lines of a log that tell of a bug."""
    bug = re.compile(
        r"bug=|Traceback| ERROR | CRITICAL |status=5(?!03)|INTERNAL_SERVER_ERROR|never retrieved|Exception"
    )
    # Those of `gateway.rest` tell of the REST API's failures.
    return [line for line in log.splitlines() if bug.search(line) and " gateway.rest " not in line]
