"""Opens the store that a setting names."""

from pathlib import Path

from gateway.idempotency.sqlite import SqliteStore
from gateway.idempotency.store import Store, StoreRefused

SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """Return the store at `sqlite:///path`, `redis://…` or `rediss://…`; nothing is opened before it is used.

    Raises StoreRefused if a package is missing.
    """
    if url.startswith(SQLITE):
        return SqliteStore(Path(url.removeprefix(SQLITE)))
    try:
        from gateway.idempotency.redis_store import RedisStore  # noqa: PLC0415 (an extra)
    except ImportError:
        raise StoreRefused("the package redis is missing: pip install 'invitations-gateway[redis]'") from None
    return RedisStore(url)


async def check_store(url: str) -> str | None:
    """Open the store at a URL, check it, and close it. Return a warning, if any. Raises StoreUnavailable."""
    store = open_store(url)
    try:
        return await store.check()
    finally:
        await store.aclose()
