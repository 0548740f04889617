"""Idempotency keys: at most one send for a key, for as long as the store keeps it."""

from gateway.idempotency.keys import Key
from gateway.idempotency.memory import MemoryStore
from gateway.idempotency.once import KeyedCall, Once
from gateway.idempotency.sqlite import SqliteStore
from gateway.idempotency.store import Record, State, Store, StoreUnavailable

__all__ = ["Key", "KeyedCall", "MemoryStore", "Once", "Record", "SqliteStore", "State", "Store", "StoreUnavailable"]
