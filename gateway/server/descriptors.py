"""Divides the files and sockets that a process may open (`ulimit -n`) among their users."""

import logging
import sys

REFUSALS = 128
"""Maximum number of rejected client connections that are kept until the client has read the response."""
_OTHERS = REFUSALS + 64
"""Descriptors for neither clients nor the REST API: 64 are for everything else."""
_OPENING = 320
"""Maximum number of connections to the REST API that are being opened at once. Each may take two more descriptors, for
other addresses."""
_ENOUGH = 65_536
_LEAST = 512

_logger = logging.getLogger("gateway.start")


class TooFewDescriptors(Exception):  # noqa: N818 (a message to the operator)
    """The limit on open files is too low to serve."""


def raise_limit() -> tuple[int, int]:
    """Raise the limit on open files as far as permitted and needed. Return the limit before and after.

    Raises TooFewDescriptors. Worker processes inherit the limit.
    """
    if sys.platform == "win32":
        return _ENOUGH, _ENOUGH
    import resource  # noqa: PLC0415 (not on Windows)

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(most, _ENOUGH)
    if before != resource.RLIM_INFINITY and before < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        except (OSError, ValueError):  # macOS has a lower limit that it does not report
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 10_240), most))
    after = _limit()
    if after < _LEAST:
        raise TooFewDescriptors(f"the open file limit (ulimit -n) is {after}: raise it to at least {_LEAST}")
    return before, after


def upstream_connections(max_operations: int) -> int:
    """Return the maximum number of connections to the REST API: one for each operation, if the limit has room.

    They leave at least twice as many client connections.
    """
    left = max(_limit(), _LEAST) - _OTHERS
    return min(max_operations, max(left // 5, (left - 2 * _OPENING) // 3))


def client_connections(max_operations: int) -> int:
    """Return the number of client connections that the limit leaves room for."""
    upstream = upstream_connections(max_operations)
    return max(_limit(), _LEAST) - _OTHERS - upstream - 2 * min(upstream, _OPENING)


def tell_limit(before: int, after: int, max_operations: int) -> None:
    """Log the limit and the client connections it allows; warn if it lowers `max_operations` to that."""
    limit = f"was raised from {before} to {after}" if after > before else f"is {after}"
    connections = client_connections(max_operations)
    message = f"The open file limit (ulimit -n) {limit}: each process accepts {connections} client connections"
    if max_operations > connections:
        _logger.warning("%s, and GATEWAY_MAX_OPERATIONS is %d instead of %d", message, connections, max_operations)
    else:
        _logger.info(message)


def _limit() -> int:
    if sys.platform == "win32":
        return _ENOUGH
    import resource  # noqa: PLC0415 (not on Windows)

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if limit == resource.RLIM_INFINITY else limit
