"""The `Keep-Alive` header of RFC 2068, section 19.7.1.1, as servers send it."""

import re

MARGIN = 1.0
"""Seconds by which a connection is closed before the server closes it: a request must not meet its end."""
_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout=([0-9]{1,6})", re.IGNORECASE)


def idle_seconds(value: bytes) -> float | None:
    """Return how long a connection can be idle, negative for not at all, or None if the header does not say."""
    found = _TIMEOUT.search(value)
    return int(found[1]) - MARGIN if found else None
