import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox import Store, StoreError
from gateway.sandbox.model import InvitationV2

pytestmark = pytest.mark.quick


def size_of(store: Store) -> int:
    return len(store.page(0, 1000).documents)


def test_a_file_is_seeded_only_once_and_keeps_its_data(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    with closing(Store(path)) as store:
        assert size_of(store) == 48
        store.insert(InvitationV2("mine", inviter="a"))
        store.update("mine", lambda before: InvitationV2("mine", inviter=before.decode()))
    with closing(Store(path)) as store:
        assert size_of(store) == 49
        assert b"InvitationV2" in (store.get("mine") or b"")


def test_a_database_in_memory_disappears_with_its_store() -> None:
    with closing(Store()) as store:
        store.insert(InvitationV2("mine"))
    with closing(Store()) as store:
        assert store.get("mine") is None


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Record the connections that stores open from now on."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def keeping(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", keeping)
    return connections


def test_a_file_is_synced_at_each_commit(tmp_path: Path, opened: list[sqlite3.Connection]) -> None:
    with closing(Store(tmp_path / "sandbox.db")):
        (connection,) = opened
        assert connection.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_two_processes_can_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    with closing(Store(path)) as one, closing(Store(path)) as other:
        one.insert(InvitationV2("mine"))
        assert other.update("mine", lambda _: InvitationV2("mine", inviter="a"))
        assert one.get("mine") == other.get("mine")


def test_a_failed_update_changes_nothing_and_the_store_stays_usable() -> None:
    def fail(_: bytes) -> InvitationV2:
        raise ValueError("no")

    with closing(Store()) as store:
        store.insert(InvitationV2("mine"))
        before = store.get("mine")
        with pytest.raises(ValueError, match="no"):
            store.update("mine", fail)
        assert store.get("mine") == before
        assert store.update("mine", lambda _: InvitationV2("mine", inviter="a"))
        assert store.update("nobody", fail) is None
        assert store.insert(InvitationV2("other"))


def text_file(path: Path) -> None:
    path.write_text("These are my notes, and no database. " * 50, encoding="utf-8")


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")


@pytest.mark.parametrize("make", [text_file, foreign_database, Path.mkdir])
def test_a_file_that_is_not_a_sandbox_database_is_refused_in_one_line_and_not_changed(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "data"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as refusal:
        Store(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_file_becomes_a_sandbox_database(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with closing(Store(tmp_path / "data")) as store:
        assert size_of(store) == 48


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        Store(tmp_path / "missing" / "sandbox.db")


def test_a_full_disk_is_reported_and_loses_no_data(tmp_path: Path, opened: list[sqlite3.Connection]) -> None:
    with closing(Store(tmp_path / "data.db")) as store:
        opened[0].execute("PRAGMA max_page_count = 1")  # existing pages are kept
        before = store.page(0, 1000)
        with pytest.raises(StoreError, match="cannot write"):
            store.insert(InvitationV2(id="new", inviter="a" * 1_000_000))
        assert store.page(0, 1000).documents[: len(before.documents)] == before.documents
