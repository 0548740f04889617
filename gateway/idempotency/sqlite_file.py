"""The file of the SQLite store: its table, and what is done in a transaction."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.idempotency.store import Record, State, StoreUnavailable

APPLICATION_ID = 0x4C49494B
"""The application id in the SQLite header, which identifies our files: the bytes "LIIK"."""
LOCK_LIMIT = 2.0
"""Seconds to wait for another process that is writing."""
REMOVED_AT_ONCE = 20
"""Maximum number of expired records that a claim removes: more than it adds."""

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS keys (
        name BLOB PRIMARY KEY,
        fingerprint BLOB NOT NULL,
        owner BLOB NOT NULL,
        claimed REAL NOT NULL,
        lease_ends REAL NOT NULL,
        expires REAL NOT NULL,
        state TEXT NOT NULL,
        invitation_id TEXT
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS keys_expires ON keys (expires)",
)
_REMOVE = "DELETE FROM keys WHERE name IN (SELECT name FROM keys WHERE expires <= ? ORDER BY expires LIMIT ?)"
_FREE_IF_EXPIRED = "DELETE FROM keys WHERE name = ? AND expires <= ?"
_CLAIM = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
_END_LEASE = "UPDATE keys SET state = 'unknown' WHERE name = ? AND state = 'running' AND lease_ends <= ?"
_SELECT = "SELECT fingerprint, owner, claimed, lease_ends, expires, state, invitation_id FROM keys WHERE name = ?"
_FINISH = "UPDATE keys SET state = ?, invitation_id = ? WHERE name = ? AND owner = ? AND state = 'running'"
_FREE = "DELETE FROM keys WHERE name = ? AND owner = ? AND state = 'running'"


class File:
    """The database. One thread at a time uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def run(self, works: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Return the results of work, all in one transaction. Raises StoreUnavailable; then nothing has changed."""
        try:
            connection = self._connected()
            with _transaction(connection):
                return [work(connection) for work in works]
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(getattr(error, "strerror", None) or str(error)) from error

    def close(self) -> None:
        """Close it, until `run` is called again."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        # If somebody has replaced the file, other processes may already use the new one.
        if self._connection is None or self._identity != self._identity_of_file():
            self.close()
            self._connection = self._opened()
            self._identity = self._identity_of_file()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=LOCK_LIMIT, isolation_level=None, check_same_thread=False)
        try:
            new = _is_new(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with _transaction(connection):
                if new:
                    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                for statement in _SCHEMA:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _identity_of_file(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def _is_new(connection: sqlite3.Connection) -> bool:
    """Return whether the database is empty. Raises StoreUnavailable if it is another application's."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and (application_id or tables):
        raise StoreUnavailable("it is the database of another application")
    return not application_id


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def claim(connection: sqlite3.Connection, name: bytes, record: Record) -> Record | None:
    """See `Store.claim`."""
    now = record.claimed
    connection.execute(_REMOVE, (now, REMOVED_AT_ONCE))
    connection.execute(_FREE_IF_EXPIRED, (name, now))
    values = (record.fingerprint, record.owner, now, record.lease_ends, record.expires, record.state, None)
    if connection.execute(_CLAIM, (name, *values)).rowcount:
        return None
    connection.execute(_END_LEASE, (name, now))
    fingerprint, owner, claimed, lease_ends, expires, state, invitation_id = connection.execute(
        _SELECT, (name,)
    ).fetchone()
    return Record(fingerprint, owner, claimed, lease_ends, expires, State(state), invitation_id)


def finish(
    connection: sqlite3.Connection, name: bytes, owner: bytes, state: State | None, invitation_id: str | None
) -> None:
    """See `Store.finish`."""
    if state is None:
        connection.execute(_FREE, (name, owner))
    else:
        connection.execute(_FINISH, (state, invitation_id, name, owner))
