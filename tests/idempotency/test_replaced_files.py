"""Somebody removes, replaces or links a file for keys, while gateways use it."""

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.commands import assert_one_line_of_error, run_command
from support.gateway import GatewayProcess
from support.invitations_upstream import InvitationsUpstream, always
from support.keys import create, keyed_process, new_key
from support.scripted_upstream import UpstreamConnection
from support.waiting import wait_until

from gateway.idempotency import Record, SqliteStore, StoreRefused, StoreUnavailable, sqlite_file
from gateway.idempotency.sqlite_file import File

CLAIM = Record(b"fingerprint", b"owner", claimed=100.0, lease_ends=140.0, expires=1000.0)
SOON = "from gateway.idempotency import sqlite_file; sqlite_file.SETTLE = 0.2"


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "SETTLE", 0.0)


def code(gateway: GatewayProcess, key: str) -> str:
    return str(gateway.error(*create(key))["extensions"]["code"])


@pytest.mark.parametrize("name", ["keys.db-wal", "keys.db-shm"])
def test_removing_a_journal_doubles_nothing_even_after_a_crash(
    tmp_path: Path, upstream: InvitationsUpstream, name: str
) -> None:
    upstream.expect(always(UpstreamConnection.reset))
    file, keys = tmp_path / "keys.db", [new_key() for _ in range(10)]
    with ExitStack() as stack:
        gateways = [stack.enter_context(keyed_process(upstream.url, file, before=SOON)) for _ in range(2)]
        for gateway in gateways:
            assert code(gateway, new_key()) == "UPSTREAM_UNAVAILABLE"
        upstream.requests.clear()
        (tmp_path / name).unlink()
        if name.endswith("-shm"):  # without -wal, no other starts as long as one has it open
            gateways.append(stack.enter_context(keyed_process(upstream.url, file, before=SOON)))
        told = [code(gateway, key) for key in keys for gateway in gateways]
        assert set(told) <= {"UPSTREAM_UNAVAILABLE", "IDEMPOTENCY_UNKNOWN", "IDEMPOTENCY_STORE_UNAVAILABLE"}
        for gateway in gateways:  # they open the files again
            wait_until(lambda: code(gateway, keys[0]) == "IDEMPOTENCY_UNKNOWN", "the store works")  # noqa: B023
        for gateway in gateways:
            os.kill(gateway.pid, signal.SIGKILL)
            gateway.command.process.wait()
    with keyed_process(upstream.url, file) as gateway:
        for key in keys:
            code(gateway, key)
    sent = Counter(call.json["trackingId"] for call in upstream.calls)
    assert sorted(sent.values()) == [1] * 10


def test_a_file_with_two_names_is_refused(tmp_path: Path) -> None:
    """SQLite would use one journal for each name, so two gateways would not see each other's claims."""
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "one/keys.db").touch()
    (tmp_path / "other/keys.db").hardlink_to(tmp_path / "one/keys.db")
    result = run_command(
        "serve", "--port", "0", variables={"GATEWAY_IDEMPOTENCY_STORE": f"sqlite:///{tmp_path}/one/keys.db"}
    )
    assert_one_line_of_error(result, "GATEWAY_IDEMPOTENCY_STORE", "hard links")
    with pytest.raises(StoreRefused, match="hard links"):
        asyncio.run(SqliteStore(tmp_path / "other/keys.db").check())


@pytest.mark.usefixtures("_at_once")
def test_a_file_that_is_replaced_while_it_is_opened_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others use the new file, and this process would not notice that it has the old one."""
    path = tmp_path / "keys.db"
    is_new = sqlite_file.is_new

    def replacing(connection: sqlite3.Connection) -> bool:
        found = is_new(connection)
        path.rename(tmp_path / "old.db")
        path.touch()
        return found

    file = File(path)
    monkeypatch.setattr(sqlite_file, "is_new", replacing)
    with pytest.raises(StoreUnavailable, match="replaced"):
        file.run([])
    monkeypatch.undo()
    file.run([])
    file.close()


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("name", ["keys.db", "keys.db-wal", "keys.db-shm"])
def test_a_file_that_is_removed_during_a_claim_does_not_grant_it(tmp_path: Path, name: str) -> None:
    file = File(tmp_path / "keys.db")
    file.run([])

    def work(connection: sqlite3.Connection) -> Any:
        (tmp_path / name).unlink()
        return sqlite_file.claim(connection, b"name", CLAIM)

    with pytest.raises(StoreUnavailable, match="removed"):
        file.run([work])
    file.run([])
    file.close()


def test_files_that_were_replaced_are_not_opened_before_others_have_finished(tmp_path: Path) -> None:
    file = File(tmp_path / "keys.db")
    file.run([])
    (tmp_path / "keys.db-shm").unlink()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="removed"):
            file.run([])
    file.close()


def test_a_link_to_a_file_is_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "folder/keys.db")
    one, other = File(tmp_path / "link.db"), File(tmp_path / "folder/keys.db")
    for file, found in ((one, [None]), (other, [CLAIM]), (one, [CLAIM])):
        assert file.run([lambda connection: sqlite_file.claim(connection, b"name", CLAIM)]) == found
        file.close()


def test_the_name_of_sqlites_memory_is_the_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = File(Path(":memory:"))
    file.run([])
    assert (tmp_path / ":memory:").exists()
    file.close()
