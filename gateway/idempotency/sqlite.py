"""A store in a SQLite file: for the processes of one machine."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from gateway.idempotency.sqlite_file import File, claim, finish
from gateway.idempotency.store import Record, State, StoreUnavailable

LIMIT = 5.0
"""Seconds after which a request gives up on a disk that does not respond."""
MAX_JOBS = 10_000
"""Maximum number of changes that wait for the disk, about 10 MB."""
BATCH = 200
"""Maximum number of changes in one transaction. A transaction costs one disk sync, whatever is in it."""

T = TypeVar("T")


class SqliteStore:
    """Keeps records in a file, which is created if it does not exist.

    Once `claim` returns, the claim survives `kill -9`, and a power failure if the disk does not lie about syncs: the
    journal (WAL) is synced at each commit. A thread does the work, and commits what is waiting in one transaction.
    """

    def __init__(self, path: Path) -> None:
        self._file = File(path)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def check(self) -> None:
        """Open the file, begin to write to it, and close it; see `Store`."""
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        try:
            self._file.run([])
        finally:
            self._file.close()

    async def claim(self, name: bytes, record: Record) -> Record | None:
        """See `Store`."""
        try:
            return await self._do(lambda connection: claim(connection, name, record))
        except (TimeoutError, asyncio.CancelledError) as error:
            # The thread may still make the claim. Nothing will be sent for it, so free it afterwards.
            self._jobs.put(_Job(lambda connection: finish(connection, name, record.owner, None, None)))
            if isinstance(error, TimeoutError):
                raise StoreUnavailable("the disk does not respond") from None
            raise

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        """See `Store`."""
        try:
            await self._do(lambda connection: finish(connection, name, owner, state, invitation_id))
        except TimeoutError:
            raise StoreUnavailable("the disk does not respond") from None

    async def aclose(self) -> None:
        """See `Store`."""
        if self._thread:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, LIMIT)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of work in the thread. Raises TimeoutError if it takes too long: it may still be done."""
        if self._jobs.qsize() >= MAX_JOBS:
            raise StoreUnavailable("the disk does not respond")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="idempotency", daemon=True)
            self._thread.start()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, answer))
        async with asyncio.timeout(LIMIT):
            return await answer

    def _run(self) -> None:
        last = False
        while not last:
            batch = [self._jobs.get()]
            while len(batch) < BATCH and not self._jobs.empty():
                batch.append(self._jobs.get())
            last = None in batch
            jobs = [job for job in batch if job]
            if not jobs:
                continue
            try:
                results = self._file.run([job.work for job in jobs])
            except Exception as error:  # noqa: BLE001 (each request reports it)
                self._file.close()
                _tell(jobs, [error] * len(jobs))
            else:
                _tell(jobs, results)
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """Work on a connection, and who waits for its result."""

    work: Callable[[sqlite3.Connection], Any]
    answer: "asyncio.Future[Any] | None" = None

    def tell(self, result: object) -> None:
        """Set the result, on the loop's thread."""
        if self.answer is None or self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(StoreUnavailable(*result.args))  # a new one: each request adds its frames
        else:
            self.answer.set_result(result)


def _tell(jobs: list[_Job], results: list[Any]) -> None:
    def tell() -> None:
        for job, result in zip(jobs, results, strict=True):
            job.tell(result)

    waiting = [job.answer for job in jobs if job.answer]
    if waiting:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            waiting[0].get_loop().call_soon_threadsafe(tell)
