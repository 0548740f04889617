"""Clients that lose responses, and repeat each mutation with its key until they have an answer."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from support.batches import CREATE_ALL_ONCE
from support.gateway import TOKEN
from support.keys import CREATE, INPUT, new_key
from support.raw_http import AsyncConnection, request

HANGS_UP = 1 / 3
MAX_PATIENCE = 0.1
"""Maximum seconds before a client hangs up."""
IN_LISTS = 1 / 3
"""Share of the invitations that are sent by `createInvitations`."""
LIST = 20
"""Number of invitations in a list: more than are sent side by side."""
FROM_NGINX = {502, 503, 504}


class BadGatewayError(OSError):
    """nginx has no answer. For ten seconds after a gateway has failed, it asks only the other one."""


@dataclass(slots=True)
class Invitation:
    """What a client knows of an invitation."""

    id: str = field(default_factory=new_key)
    """Its id and its tracking id."""
    begun: float = 0.0
    ended: float = 0.0
    acknowledged: bool = False
    """Whether the client got it; otherwise, its outcome is unknown."""

    @property
    def input(self) -> dict[str, Any]:
        return {**INPUT, "trackingId": self.id}

    def note(self, found: dict[str, Any] | None, error: dict[str, Any] | None) -> float | None:
        """Note an answer. Return the seconds after which to try again, or None if it is final."""
        if error is None:
            assert found
            assert found["id"] == self.id
            self.acknowledged = True
        elif error["outcome"] == "NOT_APPLIED" or error["code"] == "IDEMPOTENCY_IN_PROGRESS":
            return error.get("retryAfter") or 0
        else:
            assert error["outcome"] == "UNKNOWN", error
        self.ended = time.monotonic()
        return None


@dataclass(slots=True)
class Mutation:
    """One invitation or a list, with a key."""

    invitations: list[Invitation]
    key: str = field(default_factory=new_key)
    tries: int = 0

    @property
    def is_list(self) -> bool:
        return len(self.invitations) > 1

    @property
    def left(self) -> list[Invitation]:
        """The invitations without a final answer."""
        return [it for it in self.invitations if not it.ended]

    def body(self) -> bytes:
        inputs = [it.input for it in self.invitations]
        if self.is_list:
            return json.dumps({"query": CREATE_ALL_ONCE, "variables": {"key": self.key, "inputs": inputs}}).encode()
        return json.dumps({"query": CREATE, "variables": {"key": self.key, "input": inputs[0]}}).encode()

    def note(self, answer: dict[str, Any]) -> float:
        """Note an answer. Return the seconds after which to try again, if an invitation is left."""
        results: list[dict[str, Any]]
        if "errors" in answer:
            results = [{"invitation": None, "error": answer["errors"][0]["extensions"]}] * len(self.invitations)
        elif self.is_list:
            results = answer["data"]["createInvitations"]["results"]
        else:
            results = [{"invitation": answer["data"]["createInvitation"], "error": None}]
        pauses = [
            invitation.note(result["invitation"], result["error"])
            for invitation, result in zip(self.invitations, results, strict=True)
            if not invitation.ended
        ]
        return max((it for it in pauses if it is not None), default=0)


def mutations(invitations: list[Invitation]) -> Iterator[Mutation]:
    """Return mutations that send these invitations."""
    left = iter(invitations)
    while invitation := next(left, None):
        is_list = random.random() < IN_LISTS / (IN_LISTS + (1 - IN_LISTS) * LIST)  # noqa: S311 (not a secret)
        yield Mutation([invitation, *islice(left, LIST - 1 if is_list else 0)])


class Clients:
    """Clients that send invitations until each has an answer."""

    def __init__(self, port: int, invitations: int) -> None:
        self.all = [Invitation() for _ in range(invitations)]
        self.mutations = list(mutations(self.all))
        self._waiting = iter(self.mutations)
        self._port = port

    @property
    def finished(self) -> int:
        return sum(it.ended > 0 for it in self.all)

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        for mutation in self._waiting:
            for invitation in mutation.invitations:
                invitation.begun = time.monotonic()
            while mutation.left:
                mutation.tries += 1
                try:
                    await asyncio.sleep(mutation.note(await self._answer(mutation)))
                except BadGatewayError:
                    await asyncio.sleep(0.5)
                except OSError:
                    await asyncio.sleep(0.01)  # lost: try again

    async def _answer(self, mutation: Mutation) -> dict[str, Any]:
        """Send a mutation, and return the answer. Raises OSError if it is lost."""
        connection = await AsyncConnection.to(self._port)
        patience = random.uniform(0, MAX_PATIENCE) * (3 if mutation.is_list else 1)  # noqa: S311
        try:
            async with asyncio.timeout(patience if random.random() < HANGS_UP else None):  # noqa: S311
                answer = await connection.ask(request(mutation.body(), f"Authorization: {TOKEN}".encode()))
        finally:
            connection.abort()
        if answer.status in FROM_NGINX and b"errors" not in answer.body:
            raise BadGatewayError
        content: dict[str, Any] = answer.json()
        return content
