"""An HTTP client for thousands of requests at once: keep-alive connections, and as many as it takes."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any, Self

from support.gateway import TOKEN


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, the names of its headers in lower case, and the seconds it took to come."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Client:
    """Sends requests to a port of 127.0.0.1."""

    port: int
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._idle:
            writer.close()
        for _reader, writer in self._idle:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def graphql(self, query: str, variables: object = None) -> Answer:
        """Post a document with a token."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nAuthorization: {TOKEN}\r\n"
        return await self._ask(b"POST /graphql HTTP/1.1\r\nHost: gateway.test\r\n" + head.encode() + b"\r\n" + body)

    async def get(self, path: str, accept: str = "*/*") -> Answer:
        """Get a path as a browser or a load balancer does."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: gateway.test\r\nAccept: {accept}\r\n\r\n".encode())

    async def _ask(self, request: bytes) -> Answer:
        started = time.perf_counter()
        connection = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = connection
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self._idle.append(connection)
        return Answer(int(start.split(" ")[1]), headers, body, time.perf_counter() - started)
