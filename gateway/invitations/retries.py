"""When a call is retried, and how long to wait first.

A `GET` is retried after a lost connection, another request's response, 429, 502, 503, 504 and 509. A `POST` or `PATCH`
is retried only if the API certainly did not process it: no connection was made, or the status was 429. Nothing is sent
before `Retry-After` has passed. After a status without it, the first pause is about a second and then doubles: Graph
counts requests sent while it throttles (Microsoft Graph, "Throttling guidance" and "Best practices"). For the same
reason, a 429 also holds up the caller's other calls: `gateway.invitations.throttle`.
"""

import random
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from time import time

import httpx
import msgspec

MAX_TRIES = 3
"""Maximum number of requests for one call, including the first."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Methods that change nothing (RFC 9110, section 9.2.1), so a request may always be repeated."""
NO_CONNECTION_MADE = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors after which any request may be retried. Not PoolTimeout: another wait would only lengthen the queue."""
CONNECTION_LOST = (httpx.ReadError, httpx.WriteError)

_TRANSIENT = frozenset({429, 502, 503, 504, 509})
_QUICK = 0.1
"""Approximate seconds of the first pause after a lost connection, and of the extra wait after `Retry-After`."""
_SLOW = 1.0
MAX_SECONDS = 2**31 - 1
"""Maximum of `retryAfter`, which GraphQL shows as an `Int`."""
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3,9}, [0-9]{1,2}[ -][A-Za-z]{3}[ -][0-9]{2,4} [0-9:]{8} (GMT|UTC|Z|\+0000|-0000)"
    r"|[A-Za-z]{3} [A-Za-z]{3} [ 0-9][0-9] [0-9:]{8} [0-9]{4}",
    re.ASCII,
)
"""The three date formats of RFC 9110, section 5.6.7."""
_WEEKDAY = re.compile(r"[A-Z][a-z]{2,8}", re.ASCII)


class Retry(msgspec.Struct, frozen=True):
    """How a failed request may be retried. `at_least` and `backoff` are in seconds.

    `unprocessed` means that the API certainly did not process it, so it may be repeated whatever its method.
    """

    unprocessed: bool = False
    at_least: float = 0
    backoff: float = _QUICK
    new_connection: bool = False

    def permits(self, method: str) -> bool:
        """Return whether a request with this method may be sent again."""
        return self.unprocessed or method in SAFE_METHODS

    def pause(self, tries: int) -> float:
        """Return the seconds to wait after this many attempts."""
        return self.at_least + self.backoff * (1 << tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311 (jitter)

    def hold(self, tries: int) -> float:
        """Return the seconds for which the caller's other calls wait. They are over before `pause` is."""
        return self.at_least or self.backoff * (1 << tries - 1) / 2


AFTER_SOME_TIME = Retry(backoff=_SLOW)
"""For a pause of unknown length."""
AFTER_FOREIGN_ANSWER = Retry(new_connection=True)
"""A response to another request says nothing about this one."""


def after_status(status: int, headers: httpx.Headers) -> Retry | None:
    """Return how to retry after a response with this status, or None if it must not be retried."""
    if status not in _TRANSIENT:
        return None
    seconds = retry_after(headers)
    if seconds is None and "retry-after" in headers:
        return None  # The API asks for a pause of unknown length.
    return Retry(
        unprocessed=status == 429,
        at_least=seconds or 0,
        backoff=_SLOW if seconds is None else _QUICK,
        new_connection=status == 503,  # It may reach another of Graph's servers.
    )


def after_error(error: httpx.TransportError) -> Retry | None:
    """Return how to retry a request that got no response, or None if it must not be retried."""
    if isinstance(error, NO_CONNECTION_MADE):
        return Retry(unprocessed=True)
    return Retry() if isinstance(error, CONNECTION_LOST) else None


def retry_after(headers: httpx.Headers) -> int | None:
    """Return the seconds that `Retry-After` asks for, rounded up; the largest if there are several values.

    None if the header is absent, or if one of its values is neither a number nor a date.
    """
    try:
        seconds = [_seconds(value) for field in headers.get_list("retry-after") for value in _values(field)]
    except ValueError:
        return None
    return max(seconds, default=None)


def _values(field: str) -> list[str]:
    """Return the values of a field, split at its commas except the one within a date."""
    values: list[str] = []
    weekday = ""
    for part in field.split(","):
        text = part.strip()
        if _WEEKDAY.fullmatch(text):
            weekday = f"{text}, "
        elif text or weekday:
            values.append(weekday + text)
            weekday = ""
    return [*values, weekday] if weekday else values


def _seconds(value: str) -> int:
    if _NUMBER.fullmatch(value):
        return ceil(min(float(value), MAX_SECONDS))
    if not _HTTP_DATE.fullmatch(value):
        raise ValueError("neither a number nor a date")  # for example, a date in an unknown time zone
    date = parsedate_to_datetime(value)
    # An HTTP date is always in UTC, even in the obsolete format that does not say so (RFC 9110, section 5.6.7).
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time()
    return ceil(min(max(seconds, 0), MAX_SECONDS))
