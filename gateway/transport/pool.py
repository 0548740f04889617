"""The connection pool: opens connections to one origin as requests need them, and reuses them."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

import httpx

from gateway.transport.connection import Connection
from gateway.transport.patience import TURNS, Within, has_result

MAX_DIALS = 64
"""Maximum number of connections being opened at once: a TLS handshake takes a millisecond of CPU, which delays
the connections that are open."""
SLOW_DIAL = 1.0
"""Seconds after which a dial no longer counts towards `MAX_DIALS`: it waits for the network, which takes no CPU, and a
server that does not complete handshakes must not block requests to one that does."""
MAX_SLOW_DIALS = 4 * MAX_DIALS  # each holds a socket until it times out
MAX_AGE = 60.0
"""Seconds after which a connection is not reused, ±10 % so that not all are replaced at once: DNS changes are followed
within that time (Microsoft Graph, "Best practices": "set connection TTL to match" the TTL of DNS)."""
SWEEP_AFTER = 0.5
"""Seconds between two searches for connections that were idle for too long."""

Dial: TypeAlias = Callable[[Callable[[Connection], None], float | None], Awaitable[Connection]]


class _Waiter:
    """A request that waits for a connection."""

    __slots__ = ("dialing", "given", "until")

    def __init__(self, until: float | None) -> None:
        self.until = until
        self.given: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self.dialing = False
        """Whether a connection is being opened for it."""


class Pool:
    """At most `max_connections` connections, open or being opened.

    A request that finds no idle connection opens one, and takes the first connection that becomes free if that is
    earlier; the new one then serves another request. Waiting requests are served first come, first served.
    Belongs to one event loop.
    """

    def __init__(self, dial: Dial, *, max_connections: int) -> None:
        """`dial` opens a connection by an event loop time, and calls a function when the connection is lost."""
        self._dial = dial
        self._max_connections = max_connections
        self._open: set[Connection] = set()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._line: OrderedDict[_Waiter, None] = OrderedDict()
        """Requests that take the next connection that becomes free."""
        self._to_dial: OrderedDict[_Waiter, None] = OrderedDict()
        """Requests whose connection is not being opened yet."""
        self._dials: dict[asyncio.Task[None], _Waiter] = {}
        self._quick: dict[asyncio.Task[None], asyncio.TimerHandle] = {}
        """Dials that are not slow yet, and the timers after which they are."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def counts(self) -> dict[str, int]:
        """Connections that are open, idle and being opened, and requests that wait for one."""
        return {
            "open": len(self._open),
            "idle": len(self._idle),
            "opening": len(self._dials),
            "waiting": len(self._line.keys() | self._to_dial.keys()),
        }

    async def acquire(self, until: float | None, *, new: bool = False) -> Connection:
        """Return a connection for the caller alone by `until` (event loop time). The caller must release it.

        `new` asks for one that was never used. Raises `httpx.ConnectTimeout` or `httpx.ConnectError` if it could not
        be opened, and `httpx.PoolTimeout` if there was no room in the pool to open it.
        """
        first = False
        while True:
            if self._idle and not new:
                connection, _ = self._idle.popitem()  # the one used last, so that the others can expire
                fresh = connection.idle_until > asyncio.get_running_loop().time()
            else:
                connection = await self._wait(_Waiter(until), new=new, first=first)
                # It may have been lost, or discarded, since it was given to this request.
                fresh = first = True
            if fresh and (connection.is_alive() or await self._is_silent(connection)):
                return connection
            connection.abort()

    async def _is_silent(self, connection: Connection) -> bool:
        try:
            return await connection.is_silent()
        except BaseException:  # cancelled meanwhile
            self.release(connection, asyncio.get_running_loop().time())
            raise

    async def _wait(self, waiter: _Waiter, *, new: bool, first: bool = False) -> Connection:
        """Wait for a connection, behind the others or before them."""
        if self._closed:
            raise _closed()
        if waiter.until is not None and waiter.until <= asyncio.get_running_loop().time():
            raise _timeout(dialing=not self._is_full())
        for line in [self._to_dial] if new else [self._line, self._to_dial]:
            line[waiter] = None
            if first:
                line.move_to_end(waiter, last=False)
        self._dial_more()
        given = waiter.given
        try:
            # A connection that was opened in time takes a few more iterations to get here.
            async with Within(waiter.until, turns=2 * TURNS):
                return await given
        except BaseException as error:
            self._forget(waiter)
            served = has_result(given)
            if isinstance(error, TimeoutError):
                if served:
                    return given.result()
                raise _timeout(dialing=waiter.dialing) from None
            if served:  # just before the request was cancelled
                self.release(given.result(), asyncio.get_running_loop().time())
            del waiter, given  # they hold the error, whose traceback holds them: a reference cycle
            raise

    def release(self, connection: Connection, now: float) -> None:
        """Take back a connection: serve the longest waiter with it, keep it, or close it."""
        if not connection.reusable or self._closed or now >= connection.expires:
            connection.abort()
        elif self._line and (waiter := self._first(self._line)) is not None:
            self._serve(waiter, connection)
        elif self._to_dial and self._is_full() and self._first(self._to_dial) is not None:
            connection.abort()  # the waiter needs a new one, in place of this one
        else:
            connection.idle_until = min(now + connection.idle_seconds, connection.expires)
            self._idle[connection] = None
            if self._sweeper is None:
                self._sweeper = asyncio.get_running_loop().call_later(SWEEP_AFTER, self._sweep)

    async def aclose(self) -> None:
        """Close all connections. Requests that wait for one fail with `httpx.ConnectError`."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for waiter in (*self._line, *self._to_dial, *self._dials.values()):
            self._fail(waiter, _closed())
        for dial in self._dials:
            dial.cancel()
        for timer in self._quick.values():
            timer.cancel()
        if self._dials:
            await asyncio.wait(tuple(self._dials))
            self._dials.clear()
        for connection in tuple(self._open):
            connection.abort()
        for _ in range(TURNS):  # the loop reports aborted connections as lost
            if self._open:
                await asyncio.sleep(0)

    def _is_full(self) -> bool:
        return len(self._open) + len(self._dials) >= self._max_connections

    def _first(self, line: OrderedDict[_Waiter, None]) -> _Waiter | None:
        """Return the longest waiter of a line, and remove cancelled ones before it."""
        while (waiter := next(iter(line), None)) is not None and waiter.given.done():
            self._forget(waiter)
        return waiter

    def _dial_more(self) -> None:
        """Start opening connections for requests that have none coming, while there is room."""
        while not self._closed and (waiter := self._first(self._to_dial)) is not None:
            if len(self._quick) >= MAX_DIALS or len(self._dials) >= MAX_DIALS + MAX_SLOW_DIALS:
                return
            if self._is_full():
                if self._idle:  # only a request for a new connection leaves them there
                    self._idle.popitem(last=False)[0].abort()
                return
            del self._to_dial[waiter]
            waiter.dialing = True
            dial = asyncio.create_task(self._dial_for(waiter))
            self._dials[dial] = waiter
            self._quick[dial] = asyncio.get_running_loop().call_later(SLOW_DIAL, self._is_slow, dial)

    def _is_slow(self, dial: asyncio.Task[None]) -> None:
        del self._quick[dial]
        self._dial_more()

    async def _dial_for(self, waiter: _Waiter) -> None:
        try:
            try:
                connection = await self._dial(self._lost, waiter.until)
            finally:
                this = cast("asyncio.Task[None]", asyncio.current_task())
                del self._dials[this]
                if this in self._quick:
                    self._quick.pop(this).cancel()
        except Exception as error:  # noqa: BLE001 (raised where the request is awaited)
            self._fail(waiter, error.with_traceback(None))  # which holds this frame, and so the waiter
        else:
            connection.expires = asyncio.get_running_loop().time() + MAX_AGE * random.uniform(0.9, 1.1)  # noqa: S311
            self._open.add(connection)
            if not waiter.given.done():
                self._serve(waiter, connection)
            elif (other := self._first(self._to_dial)) is not None:
                self._serve(other, connection)
            else:
                self.release(connection, asyncio.get_running_loop().time())
        self._dial_more()

    def _serve(self, waiter: _Waiter, connection: Connection) -> None:
        self._forget(waiter)
        waiter.given.set_result(connection)

    def _fail(self, waiter: _Waiter, error: Exception) -> None:
        self._forget(waiter)
        if not waiter.given.done():
            waiter.given.set_exception(error)

    def _forget(self, waiter: _Waiter) -> None:
        self._line.pop(waiter, None)
        self._to_dial.pop(waiter, None)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
        self._dial_more()

    def _sweep(self) -> None:
        """Close connections that were idle for too long."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [each for each in self._idle if each.idle_until <= now]:
            del self._idle[connection]
            connection.abort()
        self._sweeper = loop.call_later(SWEEP_AFTER, self._sweep) if self._idle and not self._closed else None


def _timeout(*, dialing: bool) -> httpx.TimeoutException:
    return (httpx.ConnectTimeout if dialing else httpx.PoolTimeout)("No connection was ready in time.")


def _closed() -> httpx.ConnectError:
    return httpx.ConnectError("The transport was closed before the request was written.")
