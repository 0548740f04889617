"""Tells operators why no connection was made: a log line without anything secret.

Host and port are the upstream's, from the settings. OpenSSL's messages are constants, or name the requested host.
"""

import errno
import json
import logging
import socket
import ssl
import time

_log = logging.getLogger("gateway.transport")

QUIET_SECONDS = 10.0
"""Minimum seconds between two lines of the same kind."""


class DialError(ConnectionError):
    """A connection failure that has no exception class of its own."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class FailureLog:
    """Logs connection failures: one line in `QUIET_SECONDS` for each of the few kinds, with a count of the others."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def add(self, host: str, port: int, step: str, error: Exception, context: ssl.SSLContext | None) -> None:
        """Log a failure in one of the steps `name`, `tcp`, `proxy`, `tls`, `ready`."""
        kind, detail = reason(error, step, context)
        now = time.monotonic()
        if now - self._last.get(kind, -QUIET_SECONDS) < QUIET_SECONDS:
            self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
            return
        self._last[kind] = now
        unlogged = self._unlogged.pop(kind, 0)
        _log.warning(
            "no_connection=%s step=%s host=%s port=%d detail=%s unlogged=%d",
            *(kind, step, host, port, json.dumps(detail), unlogged),
        )


def reason(error: Exception, step: str, context: ssl.SSLContext | None) -> tuple[str, str]:
    """Return the kind of a failure, and its details."""
    match error:
        case DialError():
            told = error.kind, str(error)
        case ssl.SSLCertVerificationError():
            told = "tls", f"verify code {error.verify_code}: {error.verify_message}{_authorities(context)}"
        case ssl.SSLError():
            told = "tls", error.reason or type(error).__name__
        case socket.gaierror():
            told = "dns", error.strerror or ""
        case UnicodeError():
            told = "dns", "not a valid host name"
        case TimeoutError():
            told = "timeout", ""
        case ConnectionRefusedError():
            told = "refused", ""
        case OSError(errno=errno.ENOTCONN) | ConnectionError():
            told = "reset", ""
        case OSError():
            told = "tls" if step == "tls" else "unreachable", errno.errorcode.get(error.errno or 0, "")
        case _:
            told = "other", type(error).__name__
    return told


def _authorities(context: ssl.SSLContext | None) -> str:
    # OpenSSL reports no error if its file of authorities is missing.
    return "" if context is None or context.cert_store_stats()["x509_ca"] else "; no certificate authorities are loaded"
