"""Both sides of the gateway as bytes on sockets: clients that send anything, and an upstream that returns anything."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from support.gateway import GatewayProcess, gateway_process
from support.raw_http import Answer, AsyncConnection, request
from support.waiting import LIMIT

PATIENCE = 0.02
"""Seconds to wait for a first byte before disconnecting: the client may have sent only half a request."""
COLLECTION = "/v1.0/linkedIn/invitations"
UPSTREAM_TIMEOUT = "0.2"

Then = Literal["keep", "close", "reset", "hang"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the upstream sends, and what it then does with the connection."""

    data: bytes
    then: Then = "keep"


@dataclass(frozen=True, slots=True)
class Call:
    """A request from the gateway, as the upstream read it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(slots=True)
class Upstream:
    """Answer each request by its bearer token, and record the requests."""

    replies: dict[str, Reply] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    malformed: list[bytes] = field(default_factory=list)

    def forget(self) -> None:
        """Discard all replies and recorded requests."""
        self.replies.clear()
        self.calls.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                reply = self._answer(await reader.readuntil(b"\r\n\r\n"), reader)
                await self._send(await reply, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway disconnected, the reply says so, or the run has ended
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
            await reader.read(1)  # until the gateway disconnects, or sends another request
        if reply.then == "reset":
            writer.transport.abort()
        if reply.then != "keep":
            raise ConnectionError


def good_reply(method: str, target: str, id: str = "1") -> Reply:
    """Return the REST API's response."""
    invitation = {"id": id, "created": 1484671714434, "inviter": "urn:li:person:1", "message": None}
    content: object = invitation
    if method == "GET" and target.partition("?")[0] == COLLECTION:
        content = {"value": [invitation, {"id": id}]}
    body = json.dumps(content).encode()
    status = b"201 Created" if method == "POST" else b"200 OK"
    return Reply(
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    )


class Wire:
    """A gateway process between clients and an upstream in this process, which run only during an exchange."""

    def __init__(self, runner: asyncio.Runner, upstream: Upstream, gateway: GatewayProcess) -> None:
        self.upstream = upstream
        self.gateway = gateway
        self._runner = runner
        self._idle: list[AsyncConnection] = []

    def exchange(self, requests: Sequence[bytes], *, fresh: bool = False) -> list[Answer]:
        """Send complete requests concurrently, and return the only response to each."""

        async def all_of_them() -> list[Answer]:
            return await asyncio.gather(*(self._exchange(request, fresh=fresh) for request in requests))

        return self._runner.run(all_of_them())

    def throw(self, many: Sequence[bytes]) -> list[bytes]:
        """Send bytes concurrently, shut down, and return everything received until the connection ends."""

        async def all_of_them() -> list[bytes]:
            return await asyncio.gather(*map(self._throw, many))

        return self._runner.run(all_of_them())

    def assert_alive(self) -> None:
        """Assert that the gateway still responds."""
        (answer,) = self.exchange([post({"query": "{ __typename }"})])
        assert answer.json() == {"data": {"__typename": "Query"}}

    async def _exchange(self, data: bytes, *, fresh: bool) -> Answer:
        head = data.startswith(b"HEAD ")
        async with asyncio.timeout(LIMIT):
            connection = self._idle.pop() if self._idle and not fresh else await self._connect()
            answer = await connection.ask(data, head=head)
            while answer.status < 200:
                answer = await connection.receive(head=head)
        if fresh or answer.header("connection") == "close":
            await connection.close()
        else:
            self._idle.append(connection)
        return answer

    async def _throw(self, data: bytes) -> bytes:
        async with asyncio.timeout(LIMIT):
            connection = await self._connect()
            came = b""
            try:
                connection.send(data)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        came = await connection.read()
                connection.end()
                while part := await connection.read():
                    came += part
            except OSError:
                pass  # it may close before reading everything that it refuses
            finally:
                await connection.close()
        return came

    async def _connect(self) -> AsyncConnection:
        return await AsyncConnection.to(self.gateway.port)

    async def close(self) -> None:
        """Close the idle connections."""
        for connection in self._idle:
            await connection.close()


@contextmanager
def wire(**settings: str) -> Iterator[Wire]:
    """Run `serve` in front of an upstream in this process."""
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
    """Return the bytes of a GraphQL request. Values that JSON lacks are written as Python writes them."""
    return request(json.dumps(content).encode("utf-8"), *headers)


def bad_lines(log: str) -> list[str]:
    """Return the lines of a log that report a bug."""
    bug = re.compile(
        r"bug=|Traceback| ERROR | CRITICAL |status=5(?!03)|INTERNAL_SERVER_ERROR|never retrieved|Exception"
    )
    # Lines of `gateway.rest` report failures of the REST API.
    return [line for line in log.splitlines() if bug.search(line) and " gateway.rest " not in line]
