"""Load on a gateway during operations such as restarts, and the result of each request.

Each client keeps one connection at a time and sends its next request after each response, alternating between a
mutation with its own tracking id and a query. A client never sends anything twice, so each failure is counted once, and
an invitation that the sandbox has twice was doubled on the way.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from uuid import uuid4

import httpx
from support.commands import started
from support.gateway import TOKEN
from support.raw_http import AsyncConnection, request
from support.waiting import LIMIT, wait_until

COLLECTION = "/v1.0/linkedIn/invitations"
CREATE = """mutation ($id: String!) { createInvitation(
  input: { inviter: "a", invitee: "b", message: {}, trackingId: $id }) { id trackingId } }"""
READ = "query ($id: ID!) { invitation(id: $id) { trackingId } }"
PAUSE = 0.02  # maximum seconds between a response and the next request, so that connections are sometimes idle


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that did not get the expected response."""

    client_port: int | None
    """Of its connection; None if it could not connect."""
    tracking_id: str | None
    """Of the mutation; None for a query."""
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of the requests."""

    requests: int
    failed: int
    mutations: int
    """Acknowledged mutations."""
    lost: int
    """Acknowledged, but missing in the sandbox."""
    doubled: int
    """More than once in the sandbox."""

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Load:
    """Clients in their own thread."""

    def __init__(self, port: int, clients: int) -> None:
        self.failures: list[Failure] = []
        self.answered = 0
        self._acknowledged: set[str] = set()
        self._port = port
        self._clients = clients
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait_for_answers(self, more: int) -> None:
        """Wait until this many more requests have been answered."""
        enough = self.answered + more
        try:
            wait_until(lambda: self.answered >= enough, "requests are answered")
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.failures[-3:]}") from error

    def stop(self) -> None:
        """Wait for each client's last response."""
        self._stopped.set()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()

    def figures(self, sandbox: str) -> Figures:
        """Compare the acknowledged mutations with the sandbox's content."""
        stored = Counter(tracking_ids(sandbox))
        sent = self._acknowledged | {failure.tracking_id for failure in self.failures if failure.tracking_id}
        return Figures(
            requests=self.answered + len(self.failures),
            failed=len(self.failures),
            mutations=len(self._acknowledged),
            lost=len(self._acknowledged - stored.keys()),
            doubled=sum(stored[tracking_id] > 1 for tracking_id in sent),
        )

    async def _run(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        connection: AsyncConnection | None = None
        created: tuple[str, str] | None = None  # id and tracking id of the last invitation
        while not self._stopped.is_set():
            await asyncio.sleep(random.uniform(0, PAUSE))  # noqa: S311  (not a secret)
            tracking_id = str(uuid4()) if created is None else None
            try:
                if connection and connection.is_closed():
                    await connection.close()
                    connection = None
                connection = connection or await AsyncConnection.to(self._port)
                created = await self._create_or_read(connection, tracking_id, created)
                self.answered += 1
            except (OSError, AssertionError) as error:
                port = connection.client_port if connection else None
                self.failures.append(Failure(port, tracking_id, repr(error)))
                created = None
                if connection:
                    await connection.close()
        if connection:
            await connection.close()

    async def _create_or_read(
        self, connection: AsyncConnection, tracking_id: str | None, created: tuple[str, str] | None
    ) -> tuple[str, str] | None:
        if created:
            read = await _ask(connection, READ, created[0])
            assert read == {"invitation": {"trackingId": created[1]}}
            return None
        invitation = (await _ask(connection, CREATE, tracking_id))["createInvitation"]
        assert invitation["trackingId"] == tracking_id
        self._acknowledged.add(invitation["trackingId"])
        return invitation["id"], invitation["trackingId"]


async def _ask(connection: AsyncConnection, query: str, id: str | None) -> dict[str, dict[str, str]]:
    """Return the `data` of the response. Raises OSError or AssertionError if there is none."""
    body = json.dumps({"query": query, "variables": {"id": id}}).encode()
    answer = await connection.ask(request(body, f"Authorization: {TOKEN}".encode()))
    assert answer.status == 200, answer
    if answer.header("connection") == "close":
        await connection.close()
    content = answer.json()
    assert set(content) == {"data"}, content
    data: dict[str, dict[str, str]] = content["data"]
    return data


@contextmanager
def load(port: int, clients: int = 16) -> Iterator[Load]:
    """Send load to a local port until the end of the block."""
    running = Load(port, clients)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def sandbox_process() -> Iterator[str]:
    """Run the sandbox, and yield its URL without a path."""
    with started("sandbox", "--port", "0") as sandbox:
        yield sandbox.url_before(COLLECTION)


def tracking_ids(sandbox: str) -> Iterator[str]:
    """Return the tracking ids of all invitations in a sandbox."""
    link: str | None = f"{sandbox}{COLLECTION}?$top=100"
    with httpx.Client(headers={"Authorization": TOKEN}, timeout=LIMIT, trust_env=False) as client:
        while link:
            page = client.get(link).raise_for_status().json()
            yield from (invitation["trackingId"] for invitation in page["value"])
            link = page.get("@odata.nextLink")
