"""Kill the sandbox with SIGKILL in the middle of writes, repeatedly, and count the confirmed writes that it lost.

    python -m sandbox.kill_rounds [ROUNDS]

Each round starts the sandbox on the same file, compares its content with all confirmed writes, then creates and updates
invitations from several clients at once until the kill. Exits with status 1 if anything was lost.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.commands import started

from gateway.sandbox import SANDBOX_TOKEN

WRITERS = 8
COLLECTION = "/v1.0/linkedIn/invitations"


@contextmanager
def sandbox(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the sandbox on the file, and yield its process and the URL of its collection."""
    with started("sandbox", "--port", "0", "--data", str(path)) as command:
        yield command.process, command.url_before(COLLECTION) + COLLECTION


async def write_until_killed(process: subprocess.Popen[str], url: str, confirmed: dict[str, int], kills: int) -> None:
    """Create and update invitations; record the last confirmed `lastModified` of each id in `confirmed`.

    After `kills` responses the process is killed, while the other writers wait for theirs.
    """
    answers = itertools.count(1)

    def note(response: httpx.Response, status: int, invitation_id: str, value: int) -> None:
        assert response.status_code == status, response.text
        confirmed[invitation_id] = value
        if next(answers) == kills:
            process.kill()

    async def write(writer: int, client: httpx.AsyncClient) -> None:
        message = {"invitationMessage": {"body": "x" * 500 * writer}}
        for number in itertools.count():
            body = {"created": 0, "lastModified": 0, "inviter": "a", "invitee": "b", "message": message}
            response = await client.post(url, json=body | {"trackingId": f"{writer}/{number}"})
            invitation_id = response.json()["id"]
            note(response, 201, invitation_id, 0)
            for value in range(1, 1 + writer % 3):
                response = await client.patch(url, json={"id": invitation_id, "lastModified": value})
                note(response, 200, invitation_id, value)

    async def write_on(writer: int, client: httpx.AsyncClient) -> None:
        try:
            await write(writer, client)
        except httpx.TransportError:
            return  # the process was killed

    headers = {"Authorization": f"Bearer {SANDBOX_TOKEN}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
        await asyncio.gather(*(write_on(writer, client) for writer in range(WRITERS)))


def read_all(url: str) -> dict[str, int]:
    """Page through the collection, and return the `lastModified` of each id."""
    found: dict[str, int] = {}
    link: str | None = f"{url}?$top=100"
    with httpx.Client(headers={"Authorization": f"Bearer {SANDBOX_TOKEN}"}, timeout=60, trust_env=False) as client:
        while link:
            page = client.get(link).raise_for_status().json()
            found |= {invitation["id"]: invitation["lastModified"] for invitation in page["value"]}
            link = page.get("@odata.nextLink")
    return found


def lost(confirmed: dict[str, int], found: dict[str, int]) -> list[str]:
    """Return the ids whose confirmed write is missing. A later write may be there: sent, but never confirmed."""
    return [key for key, value in confirmed.items() if found.get(key, -1) < value]


def main(rounds: int) -> int:
    """Run the rounds, print the figure, and return the exit status."""
    confirmed: dict[str, int] = {}
    missing: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sandbox.db"
        for number in range(rounds):
            with sandbox(path) as (process, url):
                missing.update(lost(confirmed, read_all(url)))
                asyncio.run(write_until_killed(process, url, confirmed, kills=10 + number * 37 % 90))
        with sandbox(path) as (_, url):
            missing.update(lost(confirmed, read_all(url)))
    print(f"{rounds} rounds of kill -9, {len(confirmed)} confirmed invitations, {len(missing)} lost")
    return 1 if missing or len(confirmed) < rounds else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 10))
