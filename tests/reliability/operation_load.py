"""Load on a gateway while somebody operates it, and what became of each request.

Each client has one connection at a time, which it keeps, and sends its next request when it has its answer: now a
mutation with a tracking id of its own, now a query. A client never sends anything twice, so a failure is counted once
and what is at the sandbox twice was doubled on the way.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from uuid import uuid4

import httpx
from support.commands import started
from support.gateway import TOKEN
from support.waiting import LIMIT, wait_until

COLLECTION = "/v1.0/linkedIn/invitations"
CREATE = """mutation ($id: String!) { createInvitation(
  input: { inviter: "a", invitee: "b", message: {}, trackingId: $id }) { id trackingId } }"""
READ = "query ($id: ID!) { invitation(id: $id) { trackingId } }"
PAUSE = 0.02  # seconds at the most between an answer and the next request: connections are idle, too


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not answered as it has to be."""

    client_port: int | None
    """Of its connection; None when there was none to be had."""
    tracking_id: str | None
    """Of the mutation; None for a query."""
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the requests."""

    requests: int
    failed: int
    mutations: int
    """That were acknowledged."""
    lost: int
    """Acknowledged, but not at the sandbox."""
    doubled: int
    """At the sandbox more than once."""

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Load:
    """Clients in a thread of their own."""

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
        """Wait until so many more requests have been answered."""
        enough = self.answered + more
        try:
            wait_until(lambda: self.answered >= enough, "requests are answered")
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.failures[-3:]}") from error

    def stop(self) -> None:
        """Let each client have its last answer."""
        self._stopped.set()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()

    def figures(self, sandbox: str) -> Figures:
        """Compare what was acknowledged with what a sandbox holds."""
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
        connection: _Connection | None = None
        created: tuple[str, str] | None = None  # the id and the tracking id of the last invitation
        while not self._stopped.is_set():
            await asyncio.sleep(random.uniform(0, PAUSE))  # noqa: S311 (no secret)
            tracking_id = str(uuid4()) if created is None else None
            try:
                if connection is None or await connection.is_closed():
                    connection = None
                    connection = await _Connection.to(self._port)
                created = await self._create_or_read(connection, tracking_id, created)
                self.answered += 1
            except (OSError, EOFError, AssertionError) as error:
                port = connection.client_port if connection else None
                self.failures.append(Failure(port, tracking_id, repr(error)))
                created = None
                if connection:
                    await connection.close()
        if connection:
            await connection.close()

    async def _create_or_read(
        self, connection: "_Connection", tracking_id: str | None, created: tuple[str, str] | None
    ) -> tuple[str, str] | None:
        if created:
            read = await connection.ask(READ, created[0])
            assert read == {"invitation": {"trackingId": created[1]}}
            return None
        invitation = (await connection.ask(CREATE, tracking_id))["createInvitation"]
        assert invitation["trackingId"] == tracking_id
        self._acknowledged.add(invitation["trackingId"])
        return invitation["id"], invitation["trackingId"]


class _Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.client_port: int = writer.get_extra_info("sockname")[1]

    @staticmethod
    async def to(port: int) -> "_Connection":
        return _Connection(*await asyncio.open_connection("127.0.0.1", port))

    async def is_closed(self) -> bool:
        """Say whether the server has closed it, as far as is known before the next request."""
        if self._reader.at_eof() or self._reader.exception():
            await self.close()
        return self._writer.is_closing()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def ask(self, query: str, id: str | None) -> dict[str, dict[str, str]]:
        """Give the `data` of an answer. Raises OSError, EOFError or AssertionError for everything else."""
        body = json.dumps({"query": query, "variables": {"id": id}})
        self._writer.write(
            f"POST /graphql HTTP/1.1\r\nHost: gateway\r\nAuthorization: {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("\r\ncontent-length:")[2].partition("\r\n")[0])
        content = (await self._reader.readexactly(length)).decode()
        assert head.split()[1] == "200", f"{head}{content}"
        if "\r\nconnection: close\r\n" in head:
            await self.close()
        answer = json.loads(content)
        assert set(answer) == {"data"}, content
        data: dict[str, dict[str, str]] = answer["data"]
        return data


@contextmanager
def load(port: int, clients: int = 16) -> Iterator[Load]:
    """Send load to a port of this machine until the end of the block."""
    running = Load(port, clients)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def sandbox_process() -> Iterator[str]:
    """Run the sandbox, and give its URL without a path."""
    with started("sandbox", "--port", "0") as sandbox:
        yield sandbox.url_before(COLLECTION)


def tracking_ids(sandbox: str) -> Iterator[str]:
    """Page through a sandbox's invitations."""
    link: str | None = f"{sandbox}{COLLECTION}?$top=100"
    with httpx.Client(headers={"Authorization": TOKEN}, timeout=LIMIT, trust_env=False) as client:
        while link:
            page = client.get(link).raise_for_status().json()
            yield from (invitation["trackingId"] for invitation in page["value"])
            link = page.get("@odata.nextLink")
