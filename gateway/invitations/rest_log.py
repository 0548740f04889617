"""One log line for each REST request, with its ids for Microsoft's support and a tenant's activity log.

No line contains a token, a target or an invitation's id. Failures are always logged, everything else at debug level.
"""

import logging
import re

import httpx
import msgspec

from gateway.invitations.failures import InvitationsError
from gateway.invitations.graph_error import plain_token

logger = logging.getLogger("gateway.rest")

MAX_DIAGNOSTIC = 2000
"""Maximum characters of an `x-ms-ags-diagnostic` header that is parsed."""

_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.\-]{0,63}", re.ASCII)


class _ServerInfo(msgspec.Struct):
    data_center: str = msgspec.field(default="", name="DataCenter")


class _Diagnostic(msgspec.Struct):
    server_info: _ServerInfo = msgspec.field(default_factory=_ServerInfo, name="ServerInfo")


class Try(msgspec.Struct, frozen=True):
    """An attempt at a call. `number` counts from 1 within the call; `started` is the event loop's time."""

    method: str
    number: int
    started: float
    client_request_id: str


def log_success(of: Try, response: httpx.Response, now: float) -> None:
    """Log a success at debug level."""
    logger.debug("%s %s", _beginning(of, now, response.status_code), _ids(of, response))


def log_failure(of: Try, error: InvitationsError, response: httpx.Response | None, now: float, *, cause: str) -> None:
    """Log a failure, retried or not. A 4xx status is the caller's to fix, so it is no warning."""
    status = response.status_code if response is not None else None
    level = logging.INFO if status is not None and 400 <= status < 500 else logging.WARNING
    ids = f"client_request_id={of.client_request_id}" if response is None else _ids(of, response)
    logger.log(level, "%s code=%s cause=%s %s", _beginning(of, now, status), error.code.value, cause, ids)


def log_cancelled(of: Try, now: float) -> None:
    """Log a cancelled request at debug level."""
    logger.debug("%s cause=cancelled client_request_id=%s", _beginning(of, now, None), of.client_request_id)


def data_center(diagnostic: str) -> str | None:
    """Return the data center named in an `x-ms-ags-diagnostic` header, or None."""
    if not diagnostic or len(diagnostic) > MAX_DIAGNOSTIC:
        return None
    try:
        place = msgspec.json.decode(diagnostic, type=_Diagnostic).server_info.data_center
    except (ValueError, RecursionError):
        return None
    return place if _PLACE.fullmatch(place) else None


def _beginning(of: Try, now: float, status: int | None) -> str:
    shown = "-" if status is None else status
    return f"method={of.method} try={of.number} status={shown} ms={(now - of.started) * 1000:.1f}"


def _ids(of: Try, response: httpx.Response) -> str:
    headers = response.headers
    request_id = plain_token(headers.get("request-id")) or "-"
    place = data_center(headers.get("x-ms-ags-diagnostic", ""))
    shown = f' data_center="{place}"' if place else ""
    return f"client_request_id={of.client_request_id} upstream_request_id={request_id}{shown}"
