"""An HTTP client for thousands of concurrent requests, with as many keep-alive connections as needed."""

import json
from dataclasses import dataclass, field
from typing import Self

from support.gateway import TOKEN
from support.raw_http import Answer, AsyncConnection, request


@dataclass(slots=True)
class Client:
    """Send requests to a port on 127.0.0.1."""

    port: int
    _idle: list[AsyncConnection] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._idle:
            await connection.close()

    async def graphql(self, query: str, variables: object = None) -> Answer:
        """Post a document with a token."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        return await self._ask(request(body, f"Authorization: {TOKEN}".encode()))

    async def get(self, path: str, accept: str = "*/*") -> Answer:
        """Get a path, as a browser or a load balancer does."""
        return await self._ask(request(None, f"Accept: {accept}".encode(), method=b"GET", target=path.encode()))

    async def _ask(self, data: bytes) -> Answer:
        connection = self._idle.pop() if self._idle else await AsyncConnection.to(self.port)
        answer = await connection.ask(data)
        self._idle.append(connection)
        return answer
