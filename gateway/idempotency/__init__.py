"""Idempotency keys: at most one send for a key, for as long as the store keeps it."""

from gateway.idempotency.earlier import KeyedCall
from gateway.idempotency.keys import Key
from gateway.idempotency.memory import MemoryStore
from gateway.idempotency.once import Once
from gateway.idempotency.opening import check_store, open_store
from gateway.idempotency.sqlite import SqliteStore
from gateway.idempotency.store import Record, State, Store, StoreRefused, StoreUnavailable

__all__ = [
    "Key",
    "KeyedCall",
    "MemoryStore",
    "Once",
    "Record",
    "SqliteStore",
    "State",
    "Store",
    "StoreRefused",
    "StoreUnavailable",
    "check_store",
    "open_store",
]
