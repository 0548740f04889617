"""Sends a mutation at most once for a key.

A key is free, or its record is in one of three states:

```
            claim                  succeeded, or APPLIED
   free  ─────────▶  running  ──────────────────────────▶  done(id)  ─┐
     ▲                │    │                                          │
     │  NOT_APPLIED   │    │   UNKNOWN, or the lease has ended        │
     ├────────────────┘    └──────────────────────────▶  unknown  ────┤
     └────────────────────────────────────────────────────────────────┘
                               24 hours after the claim
```

What a request with the same key gets:

| state | same mutation and input | other |
|---|---|---|
| free | it is sent | it is sent |
| running, in this process, same token | the result of the one that runs | `IDEMPOTENCY_KEY_REUSED` |
| running, otherwise | `IDEMPOTENCY_IN_PROGRESS` | `IDEMPOTENCY_KEY_REUSED` |
| done | the invitation, read with its own token | `IDEMPOTENCY_KEY_REUSED` |
| unknown | `IDEMPOTENCY_UNKNOWN` | `IDEMPOTENCY_KEY_REUSED` |

The key of a list is bound to it first. Then each item has a key of its own, made from the list's key and its position.
If nothing of a list was applied, and no other call has found the binding, it is removed.

Only a request that moves a key from free to running sends anything, and a key becomes free only if the request was
certainly not applied, or with time. Everything that goes wrong must therefore end in unknown, or lead there:

- A process that dies after the claim, or a request that is cancelled, ends nothing: the key is unknown once the lease
  has ended, whether or not anything was sent. The lease is longer than a request can take.
- A process that stops for longer than the lease may still end it, unless another request has already been told that the
  outcome is unknown: `finish` requires the claim's owner, and that it is still running.
- A process that stops between the claim and the send does not send once the lease is too short for it.
- The store fails before the claim: nothing is sent, and the key is freed in case the claim arrives all the same. It
  fails after: the client gets the true outcome. Both ends are tried again in the background until the lease has ended.
  Then the key is unknown.
- The clocks of two processes differ: a lease ends sooner or later for one of them, so a key is unknown too soon or
  still running. Neither sends anything. Only a clock that is wrong by a whole day could free a key.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Hashable
from secrets import token_bytes
from typing import Any, TypeVar

from gateway.errors import GatewayError, Outcome, set_exception, without_frames
from gateway.idempotency.earlier import RETRY_AFTER, KeyedCall, answer_again, in_progress, reused, unavailable
from gateway.idempotency.store import Record, State, Store, StoreUnavailable
from gateway.idempotency.unfinished import End, Unfinished
from gateway.telemetry import log_bug

KEEP = 24 * 60 * 60.0
"""Seconds for which a key is kept."""
LEASE_MARGIN = 30.0
"""Seconds that a lease is longer than a request may take: for the store, and for a process that is short of CPU."""
MAX_ID = 2_000
"""Maximum characters of a stored id. A longer one is not stored, so the invitation cannot be read again."""

logger = logging.getLogger("gateway.idempotency")

T = TypeVar("T")


class Once:
    """Sends mutations at most once for each key."""

    def __init__(self, store: Store, *, longest: float, clock: Callable[[], float] = time.time) -> None:
        """`longest` is the maximum time in seconds that sending a mutation can take."""
        self._store = store
        self._longest = longest
        self._clock = clock
        self._unfinished = Unfinished(store, longest + LEASE_MARGIN)
        self._running: dict[Hashable, asyncio.Future[Any]] = {}

    async def run(self, call: KeyedCall[T]) -> T:
        """Send the mutation and return its result, or what came of it earlier. Raises GatewayError."""
        identity = (call.name, call.fingerprint, call.caller)
        running: asyncio.Future[T] | None = self._running.get(identity)
        if running is not None:
            return await asyncio.shield(running)
        running = self._running[identity] = asyncio.get_running_loop().create_future()
        try:
            value = await self._claim_and_send(call)
        except BaseException as error:
            # If only this request is cancelled, those that have joined it are not.
            set_exception(running, error if isinstance(error, Exception) else in_progress(call, RETRY_AFTER))
            running.exception()  # Mark it as retrieved: usually, nobody else waits.
            raise
        finally:
            del self._running[identity]
        running.set_result(value)
        return value

    async def bind(self, name: bytes, fingerprint: bytes) -> bytes | None:
        """Bind the name of a list's key to its fingerprint. Return the binding's owner: None if it was bound before.

        Raises GatewayError if it is bound to another. The lease of a binding has ended when it is made, so the next
        call that finds it makes it unknown: then it cannot be removed, and its state does not matter otherwise.
        """
        now = self._clock()
        # Long ago, because clocks differ.
        binding = Record(fingerprint, token_bytes(16), now, now - KEEP, now + KEEP)
        stored = await self._claim(name, binding)
        if stored is None:
            return binding.owner
        if stored.fingerprint != fingerprint:
            raise reused()
        return None

    async def unbind(self, name: bytes, owner: bytes) -> None:
        """Remove a binding, unless another call has found it."""
        await self._finish(name, owner, None)

    async def aclose(self) -> None:
        """End what could not be ended before, if that is possible now, and close the store."""
        await self._unfinished.aclose()
        await self._store.aclose()

    async def _claim_and_send(self, call: KeyedCall[T]) -> T:
        now = self._clock()
        lease_ends = now + self._longest + LEASE_MARGIN
        claim = Record(call.fingerprint, token_bytes(16), now, lease_ends, now + KEEP)
        stored = await self._claim(call.name, claim)
        if stored is not None:
            return await answer_again(call, stored, now)
        if self._clock() > lease_ends - self._longest:
            await self._finish(call.name, claim.owner, None)
            raise unavailable()
        try:
            value = await call.send()
        except GatewayError as error:
            await self._finish_failed(call, claim.owner, error.outcome)
            raise
        except Exception:
            await self._finish(call.name, claim.owner, State.UNKNOWN)
            raise
        await self._finish(call.name, claim.owner, State.DONE, call.id_of(value))
        return value

    async def _claim(self, name: bytes, claim: Record) -> Record | None:
        try:
            return await self._store.claim(name, claim)
        except BaseException as error:
            # The store may have made the claim, or may still make it. Nothing will be sent for it.
            self._unfinished.add(End(name, claim.owner, None, confirm=True))
            if not isinstance(error, Exception):
                raise
            _log(error, "claim")
            raise unavailable() from None

    async def _finish_failed(self, call: KeyedCall[T], owner: bytes, outcome: Outcome | None) -> None:
        match outcome:
            case Outcome.NOT_APPLIED:
                await self._finish(call.name, owner, None)
            case Outcome.APPLIED:
                await self._finish(call.name, owner, State.DONE, call.known_id)
            case _:
                await self._finish(call.name, owner, State.UNKNOWN)

    async def _finish(self, name: bytes, owner: bytes, state: State | None, id: str | None = None) -> None:
        end = End(name, owner, state, id if id is not None and len(id) <= MAX_ID else None)
        try:
            await self._store.finish(end.name, end.owner, end.state, end.invitation_id)
        except BaseException as error:
            self._unfinished.add(end)
            if not isinstance(error, Exception):
                raise  # Otherwise, it must not hide the outcome of the mutation.
            _log(error, "finish")
            without_frames(error)


def _log(error: Exception, step: str) -> None:
    if isinstance(error, StoreUnavailable):
        logger.warning("store_unavailable=%s step=%s", json.dumps(str(error)), step)
    else:
        log_bug(logger, error, step=step)
