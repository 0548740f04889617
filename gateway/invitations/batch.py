"""Creates many invitations side by side, at the pace that the API sets.

Each invitation is sent as a single create is, and at most once after a response that leaves its outcome in doubt. When
the API throttles one of them, all of them wait, and then fewer are sent at once.

With an idempotency key, each invitation is claimed in a store before it is sent, and one that was created earlier is
read instead. Both are done in the place of the send, so they are bounded in the same way. A claim takes time, so
whether something may be sent is asked again after it. It is ended after each try, and none is held during a pause.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from math import ceil, inf, isfinite
from typing import TypeAlias

import msgspec

from gateway.errors import ErrorCode, GatewayError, Outcome, without_frames
from gateway.invitations.failures import InvitationsError
from gateway.invitations.model import InvitationV2, InvitationV2Body
from gateway.invitations.retries import MAX_SECONDS, MAX_TRIES
from gateway.telemetry import log_bug

SIDE_BY_SIDE = 10
"""Maximum number of requests of a batch in flight. A hundred invitations take ten times as long as one, and a batch
takes a tenth of the requests that the transport always admits, so that it does not hold up other callers."""
DEADLINE_FACTOR = 4
"""Maximum time of a batch, as a multiple of the timeout of a call. With the default it is 40 seconds: less than the
minute for which nginx and most load balancers wait for a response."""
MAX_ANSWERS = 8_000_000
"""Maximum bytes of all invitations that a batch returns: as many as one response of the API may have."""

Create: TypeAlias = Callable[[int, Callable[[], None]], Awaitable[InvitationV2]]
"""Creates the invitation at an index. Before it sends anything, it calls the second argument, which raises NotNow if
nothing may be sent at the moment."""
Sleep: TypeAlias = Callable[[float], Awaitable[bool]]
"""Sleeps during a pause. Returns False at once if too many calls of the user do that already."""
Created: TypeAlias = InvitationV2 | GatewayError

logger = logging.getLogger("gateway.rest")


class NotNow(InvitationsError):  # noqa: N818 (it is no failure)
    """The turn of an invitation has not come, or will not come."""


class Batch:
    """The creates of one call. `create` must not retry: this class does, in view of all of them."""

    def __init__(self, create: Create, bodies: Sequence[InvitationV2Body], timeout: float, sleep: Sleep) -> None:
        """`timeout` is that of a single create, in seconds."""
        self._sleep = sleep
        self._create = create
        self._bodies = bodies
        self._results: dict[int, Created] = {}
        self._waiting = deque(range(len(bodies)))
        # Every request has its whole timeout: one that is cut off would have an unknown outcome.
        self._last_start = _now() + (DEADLINE_FACTOR - 1) * timeout
        self._resume = 0.0
        """When the pause that the API asked for is over, on the event loop's clock."""
        self._width = self._workers = min(SIDE_BY_SIDE, len(bodies))
        self._slower = 0
        """How often the batch has become slower."""
        self._throttled = 0
        """How often it was throttled since the last success."""
        self._without_connection = Counter[int]()
        self._size = 0

    async def run(self) -> list[Created]:
        """Return the invitation or the error for each body, in their order."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._workers):
                workers.create_task(self._work())
        return [self._results.get(index) or self._not_sent() for index in range(len(self._bodies))]

    async def _work(self) -> None:
        while self._waiting and self._workers <= self._width and max(_now(), self._resume) <= self._last_start:
            pause = self._resume - _now()
            if pause <= 0:
                await self._send(self._waiting.popleft())
            elif not await self._sleep(pause):
                break
        self._workers -= 1

    def _begin(self) -> None:
        """Raise NotNow if nothing may be sent at the moment."""
        if self._workers > self._width or not self._resume <= _now() <= self._last_start:
            raise self._not_sent()

    async def _send(self, index: int) -> None:
        slower = self._slower
        try:
            created = await self._create(index, self._begin)
        except GatewayError as error:
            without_frames(error)
            too_many = _is_too_many(error)
            self._keep(index, error)
            if isinstance(error, NotNow):
                self._waiting.appendleft(index)
            elif too_many:  # It has waited long, so it needs no other pause.
                self._halve(first=slower == self._slower)
                self._waiting.append(index)
            elif isinstance(error, InvitationsError):
                self._slow_down(error, first=slower == self._slower)
                await self._retry(index, error)
        except Exception as error:  # noqa: BLE001 (a bug must not hide the results of the others)
            log_bug(logger, error)
            self._keep(index, GatewayError(ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error", Outcome.UNKNOWN))
        else:
            self._throttled = 0
            self._results[index] = self._bounded(created, self._bodies[index])

    def _keep(self, index: int, error: GatewayError) -> None:
        """Keep an error as the result, unless an earlier one says more."""
        earlier = self._results.get(index)
        applied = isinstance(earlier, GatewayError) and earlier.outcome is Outcome.APPLIED
        if error.outcome is not Outcome.APPLIED and (applied or isinstance(error, NotNow)):
            return
        if isinstance(earlier, InvitationsError) and isinstance(error, InvitationsError) and earlier.sent:
            error.sent = True
            error.with_tracking_id(self._bodies[index].tracking_id)
        self._results[index] = error

    async def _retry(self, index: int, error: InvitationsError) -> None:
        """Put an invitation that may be tried again at the end: it must not hold up the others."""
        read = error.outcome is Outcome.APPLIED  # by an earlier call
        if error.retry is None or not (read or error.retry.unprocessed):
            return
        if _is_paced(error):
            self._waiting.append(index)
            return
        tries = self._without_connection[index] = self._without_connection[index] + 1
        if tries < MAX_TRIES:
            await asyncio.sleep(error.retry.pause(tries))
            self._waiting.append(index)

    def _slow_down(self, error: InvitationsError, *, first: bool) -> None:
        """Follow a failure. `first` is whether its request was sent after the batch last became slower."""
        ended = error.outcome is Outcome.NOT_APPLIED or (error.outcome is Outcome.APPLIED and error.retry is None)
        if ended and error.code is not ErrorCode.RATE_LIMITED:
            return  # It says nothing about the others.
        throttled = _is_paced(error) and error.retry is not None
        self._throttled += first and throttled
        self._halve(first=first)
        if throttled and error.retry:
            self._resume = max(self._resume, _now() + error.retry.pause(max(1, self._throttled)))
        elif error.code is ErrorCode.RATE_LIMITED:
            self._resume = inf  # The API asks for a pause of unknown length.

    def _halve(self, *, first: bool) -> None:
        if first:  # The others that were in flight tell the same.
            self._slower += 1
            self._width = max(1, self._width // 2)

    def _bounded(self, created: InvitationV2, body: InvitationV2Body) -> Created:
        self._size += len(msgspec.json.encode(created))
        if self._size <= MAX_ANSWERS:
            return created
        message = f"The response is too large: all invitations together may have at most {MAX_ANSWERS} bytes."
        error = InvitationsError(ErrorCode.ANSWER_TOO_LARGE, message, Outcome.APPLIED)
        return error.with_tracking_id(body.tracking_id)

    def _not_sent(self) -> NotNow:
        """Return the error for an invitation whose turn did not come."""
        code = ErrorCode.UPSTREAM_TIMEOUT
        message = "The time of this call was over before it was the turn of this invitation."
        seconds = None
        left = self._resume - _now()
        if left > 0:
            code = ErrorCode.RATE_LIMITED
            message = "The invitations API asked for a pause before it was the turn of this invitation."
            seconds = min(ceil(left), MAX_SECONDS) if isfinite(left) else None
        return NotNow(code, message, Outcome.NOT_APPLIED, sent=False, retryAfter=seconds)


def _is_too_many(error: GatewayError) -> bool:
    """Return whether it was not sent because too many requests of the gateway were in flight for too long."""
    if not isinstance(error, InvitationsError):
        return False
    return error.code is ErrorCode.UPSTREAM_TIMEOUT and not error.sent and error.retry is None


def _is_paced(error: InvitationsError) -> bool:
    """Return whether the API said when to go on: now, or earlier to another call of the same user."""
    return "status" in error.extensions or error.code is ErrorCode.RATE_LIMITED


def _now() -> float:
    return asyncio.get_running_loop().time()
