"""The sandbox's storage: one SQLite table of JSON documents."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.sandbox.model import InvitationV2
from gateway.sandbox.seed import invitations

# The application id in the SQLite header, which identifies our files: the bytes "LIIG"
APPLICATION_ID = 0x4C494947

SCHEMA = """
CREATE TABLE invitations (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
)
"""
INSERT = "INSERT INTO invitations (id, document) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
SELECT = "SELECT document FROM invitations WHERE id = ?"
UPDATE = "UPDATE invitations SET document = ? WHERE id = ?"
PAGE = "SELECT position, document FROM invitations WHERE position > ? ORDER BY position LIMIT ?"


class StoreError(Exception):
    """The file cannot store the sandbox's data; the message says why in one line."""


class StoreLocked(Exception):  # noqa: N818 (it is temporary)
    """Another process has locked the file. Nothing was read or written; the same call may work later."""


@dataclass(frozen=True, slots=True)
class Page:
    """Invitations as JSON, in order of creation; `next` is the position to continue after, or None at the end."""

    documents: list[bytes]
    next: int | None


class Store:
    """The invitations of one sandbox, in memory or in a file, which is created if it does not exist.

    Once a method returns, its changes survive `kill -9`, and a power failure if the disk does not lie about syncs: the
    journal (WAL) is synced at each commit.
    A new store has the invitations of `seed`. No method waits for another process: they raise StoreLocked.

    Raises StoreError if the path cannot be opened for writing or is not a sandbox's file.
    """

    def __init__(self, path: Path | None = None) -> None:
        try:
            # One thread at a time uses it, not always the one that created it. Without an isolation level, each
            # statement outside a transaction commits by itself.
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"cannot open {path}: {error}") from error
        try:
            self._connection.text_factory = bytes
            self._initialize()
            self._connection.execute("PRAGMA busy_timeout = 0")
        except (sqlite3.Error, StoreError) as error:
            self._connection.close()
            raise StoreError(f"cannot store the sandbox's data in {path}: {error}") from error

    def insert(self, invitation: InvitationV2) -> bytes | None:
        """Add an invitation and return its JSON, or None if its id exists."""
        document = msgspec.json.encode(invitation)
        with _told_when_locked():
            inserted = self._connection.execute(INSERT, (invitation.id, document.decode())).rowcount
        return document if inserted else None

    def get(self, invitation_id: str) -> bytes | None:
        """Return the JSON of an invitation, or None if it does not exist."""
        with _told_when_locked():
            row = self._connection.execute(SELECT, (invitation_id,)).fetchone()
        return row[0] if row else None

    def update(self, invitation_id: str, change: Callable[[bytes], InvitationV2]) -> bytes | None:
        """Apply `change` to an invitation's JSON and return the new JSON, or None if the invitation does not exist."""
        with _told_when_locked(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            before = self.get(invitation_id)
            if before is None:
                return None
            document = msgspec.json.encode(change(before))
            self._connection.execute(UPDATE, (document.decode(), invitation_id))
        return document

    def page(self, after: int, size: int) -> Page:
        """Return up to `size` invitations after a position; 0 is the start."""
        with _told_when_locked():
            rows = self._connection.execute(PAGE, (after, size + 1)).fetchall()
        documents = [document for _, document in rows[:size]]
        return Page(documents, rows[size - 1][0] if len(rows) > size else None)

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._connection.close()

    def _initialize(self) -> None:
        new = self._value("PRAGMA application_id") == 0 and self._value("SELECT count(*) FROM sqlite_master") == 0
        if not new and self._value("PRAGMA application_id") != APPLICATION_ID:
            raise StoreError("it is the database of another application")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            if new:
                self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._connection.execute(SCHEMA)
                for invitation in invitations():
                    self.insert(invitation)

    def _value(self, query: str) -> object:
        return self._connection.execute(query).fetchone()[0]


@contextmanager
def _told_when_locked() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreLocked from error
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR):
            raise StoreError(f"cannot write its data: {error}") from error
        raise
