"""A sandbox's file that another process locks, for example a user with the sqlite3 command."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from support.servers import serve_app

from gateway.sandbox import SANDBOX_TOKEN, Store, create_app, operations

CREATE = {
    "created": 1,
    "lastModified": 1,
    "inviter": "a",
    "invitee": "b",
    "message": {},
    "trackingId": "t",
}
LIMIT = 60.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock; in WAL mode, readers cannot be locked out."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with closing(Store(tmp_path / "data")) as store, serve_app(create_app(store)) as base:
        yield f"{base}/v1.0"


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(headers={"Authorization": f"Bearer {SANDBOX_TOKEN}"}, timeout=LIMIT, trust_env=False)


def writing(asking: httpx.AsyncClient, url: str) -> list[asyncio.Task[httpx.Response]]:
    collection = f"{url}/linkedIn/invitations"
    requests = [
        asking.post(collection, json={"id": "new", **CREATE}),
        asking.patch(collection, json={"id": "nobody", "inviter": "b"}),
    ]
    return [asyncio.create_task(request) for request in requests]


def test_requests_for_a_locked_file_wait_while_others_are_answered(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOCK_LIMIT", LIMIT)

    async def run() -> list[int]:
        async with client() as asking:
            with locked(tmp_path / "data"):
                waiting = writing(asking, url)
                for _ in range(20):
                    assert (await asking.get(f"{url}/linkedIn/invitations")).status_code == 200
                assert not any(task.done() for task in waiting)
            return [(await task).status_code for task in waiting]

    assert asyncio.run(run()) == [201, 404]


def test_a_file_that_stays_locked_causes_a_retryable_503_and_nothing_is_written(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LOCK_LIMIT", 0.1)

    async def run() -> None:
        async with client() as asking:
            with locked(tmp_path / "data"):
                for answer in [await task for task in writing(asking, url)]:
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                    assert answer.json()["error"]["code"] == "ServiceUnavailable"
            assert (await asking.get(f"{url}/linkedIn/invitations/new")).status_code == 404

    asyncio.run(run())
