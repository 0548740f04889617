"""A store in memory: for development, with one process."""

import msgspec

from gateway.idempotency.store import Record, State, StoreUnavailable

MAX_RECORDS = 100_000
"""Maximum number of records, about 50 MB. None is removed before it expires: that could send a mutation twice."""


class MemoryStore:
    """Keeps records in a dict, in the order in which they expire."""

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self._max_records = max_records
        self._records: dict[bytes, Record] = {}

    async def check(self) -> None:
        """See `Store`."""

    async def claim(self, name: bytes, record: Record) -> Record | None:
        """See `Store`."""
        self._remove_expired(record.claimed)
        stored = self._records.get(name)
        if stored is None:
            if len(self._records) >= self._max_records:
                raise StoreUnavailable("it is full")
            self._records[name] = record
        elif stored.state is State.RUNNING and stored.lease_ends <= record.claimed:
            stored = self._records[name] = msgspec.structs.replace(stored, state=State.UNKNOWN)
        return stored

    async def finish(self, name: bytes, owner: bytes, state: State | None, invitation_id: str | None = None) -> None:
        """See `Store`."""
        stored = self._records.get(name)
        if stored is None or stored.owner != owner or stored.state is not State.RUNNING:
            return
        if state is None:
            del self._records[name]
        else:
            self._records[name] = msgspec.structs.replace(stored, state=state, invitation_id=invitation_id)

    async def aclose(self) -> None:
        """See `Store`."""
        self._records.clear()

    def _remove_expired(self, now: float) -> None:
        while self._records and self._records[oldest := next(iter(self._records))].expires <= now:
            del self._records[oldest]
