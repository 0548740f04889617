"""When a call is tried again, and how long to wait before.

A `GET` is tried again after a lost connection, another request's answer, 429, 502, 503, 504 and 509. A `POST` or
`PATCH` is tried again only when it is certain that the API did not process it: no connection was made, or the answer
was 429. Nothing is sent before `Retry-After` is over. Without `Retry-After` the first pause is about a second and then
doubles: Graph counts requests sent while it throttles (Microsoft Graph, "Throttling guidance" and "Best practices").
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
"""Maximum number of requests for one call, the first included."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Methods that change nothing (RFC 9110, section 9.2.1), so that a request may be repeated whatever became of it."""
NO_CONNECTION_MADE = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors after which any request may be sent again. Not PoolTimeout: another wait would only lengthen the queue."""
CONNECTION_LOST = (httpx.ReadError, httpx.WriteError)

_TRANSIENT = frozenset({429, 502, 503, 504, 509})
_QUICK = 0.1
"""Seconds, about: the first pause after a lost connection, and what is added to `Retry-After`."""
_SLOW = 1.0
_MAX_SECONDS = 2**31 - 1
_MAX_DATE = 64
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+", re.ASCII)
_HTTP_DATE = re.compile(
    r"[A-Za-z]{3,9}, [0-9]{1,2}[ -][A-Za-z]{3}[ -][0-9]{2,4} [0-9:]{8} (GMT|UTC|Z|\+0000|-0000)"
    r"|[A-Za-z]{3} [A-Za-z]{3} [ 0-9][0-9] [0-9:]{8} [0-9]{4}",
    re.ASCII,
)
"""The three forms of RFC 9110, section 5.6.7."""
_WEEKDAY = re.compile(r"[A-Z][a-z]{2,8}", re.ASCII)


class Retry(msgspec.Struct, frozen=True):
    """How a failed request may be tried again.

    `unprocessed` is whether the API certainly did not process it, so that it may be repeated whatever its method is.
    """

    unprocessed: bool = False
    at_least: int = 0
    backoff: float = _QUICK
    new_connection: bool = False

    def permits(self, method: str) -> bool:
        """Tell whether a request of this method may be sent again."""
        return self.unprocessed or method in SAFE_METHODS

    def pause(self, tries: int) -> float:
        """Return the seconds to wait after so many tries."""
        return self.at_least + self.backoff * (1 << tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311 (jitter)


AFTER_FOREIGN_ANSWER = Retry(new_connection=True)
"""An answer to another request says nothing about this one."""


def after_status(status: int, headers: httpx.Headers) -> Retry | None:
    """Return how to try again after an answer with this status, or None when trying again is not permitted."""
    if status not in _TRANSIENT:
        return None
    seconds = retry_after(headers)
    if seconds is None and "retry-after" in headers:
        return None  # The API asks for a pause, and nobody knows how long.
    return Retry(
        unprocessed=status == 429,
        at_least=seconds or 0,
        backoff=_SLOW if seconds is None else _QUICK,
        new_connection=status == 503,  # It may lead to another of Graph's servers.
    )


def after_error(error: httpx.TransportError) -> Retry | None:
    """Return how to try again after a request that got no answer, or None when trying again is not permitted."""
    if isinstance(error, NO_CONNECTION_MADE):
        return Retry(unprocessed=True)
    return Retry() if isinstance(error, CONNECTION_LOST) else None


def retry_after(headers: httpx.Headers) -> int | None:
    """Return the seconds that `Retry-After` asks for, rounded up: the largest of all its values.

    None when the header is absent, or when one of its values is neither a number nor a date.
    """
    try:
        seconds = [_seconds(value) for field in headers.get_list("retry-after") for value in _values(field)]
    except (ValueError, OverflowError, TypeError, IndexError):  # what email.utils raises for dates that are none
        return None
    return max(seconds, default=None)


def _values(field: str) -> list[str]:
    """Split a field at its commas, but for the one within a date."""
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
        return ceil(min(float(value), _MAX_SECONDS))
    if len(value) > _MAX_DATE or not _HTTP_DATE.fullmatch(value):
        raise ValueError("neither a number nor a date")  # in a zone that is not known, for one
    date = parsedate_to_datetime(value)
    # An HTTP date is always in UTC, also in the old spelling that does not say so (RFC 9110, section 5.6.7).
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time()
    return ceil(min(max(seconds, 0), _MAX_SECONDS))
