"""The file of the SQLite store: its table, and what is done in a transaction."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

from gateway.idempotency.store import Record, State, StoreRefused, StoreUnavailable

APPLICATION_ID = 0x4C49494B
"""The application id in the SQLite header, which identifies our files: the bytes "LIIK"."""
LOCK_LIMIT = 2.0
"""Seconds to wait for another process that is writing."""
SETTLE = 2.0
"""Seconds until files that were replaced are opened again. By then, other processes have finished their transactions
with the old ones."""
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

_REPLACED = "somebody has removed or replaced its files"
_Identity: TypeAlias = tuple[tuple[int, int], ...]
"""The device and inode of the database, `-wal` and `-shm`. While they are open, no other file can get the same."""


class File:
    """The database. One thread at a time uses it.

    Processes exclude each other only if all of them use the same database, `-wal` and `-shm`. So if somebody replaces
    or removes one of these, nothing is granted until it has been closed, and what is there now has been opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # SQLite takes `:memory:` for no file
        self._connection: sqlite3.Connection | None = None
        self._descriptor: int | None = None
        self._journals: tuple[Path, ...] = ()
        self._identity: _Identity | None = None
        self._open_after = 0.0

    def run(self, works: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Return the results of work, all in one transaction.

        Raises StoreUnavailable: then nothing has changed, unless the files were replaced meanwhile.
        """
        try:
            connection = self._connected()
            with _transaction(connection):
                results = [work(connection) for work in works]
            # Until now, another process could open other files. It would not have found these changes.
            self._require_same_files()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(getattr(error, "strerror", None) or str(error)) from error
        return results

    def close(self) -> None:
        """Close it, until `run` is called again."""
        if self._connection:
            self._connection.close()
        # Not before: the system would drop the locks that SQLite has.
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._connection = self._descriptor = self._identity = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection:
            self._require_same_files()
            return self._connection
        if monotonic() < self._open_after:
            raise StoreUnavailable(_REPLACED)
        try:
            return self._opened()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        opened = os.fstat(self._descriptor)
        if opened.st_nlink > 1:
            raise StoreRefused("it has several names (hard links), each of which would have a journal of its own")
        real = os.path.realpath(self._path)
        self._journals = (Path(real + "-wal"), Path(real + "-shm"))
        connection = sqlite3.connect(real, timeout=LOCK_LIMIT, isolation_level=None, check_same_thread=False)
        self._connection = connection
        new = is_new(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # It fails if another process still uses a `-wal` that was removed.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with _transaction(connection):
            if new:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for statement in _SCHEMA:
                connection.execute(statement)
        self._identity = self._identity_of_files()
        if self._identity is None or self._identity[0] != (opened.st_dev, opened.st_ino):
            raise StoreUnavailable(_REPLACED)
        return connection

    def _require_same_files(self) -> None:
        if self._identity != self._identity_of_files():
            self.close()
            self._open_after = monotonic() + SETTLE
            raise StoreUnavailable(_REPLACED)

    def _identity_of_files(self) -> _Identity | None:
        try:
            found = [path.stat() for path in (self._path, *self._journals)]
        except FileNotFoundError:
            return None
        return tuple((it.st_dev, it.st_ino) for it in found)


def is_new(connection: sqlite3.Connection) -> bool:
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
