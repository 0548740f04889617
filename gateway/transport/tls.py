"""TLS to the upstream, verified by the system's authorities or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`."""

import contextlib
import os
import ssl
import sys
import time
from pathlib import Path

RESUME_SECONDS = 600.0
"""Seconds for which a session is resumed: resuming does not check certificates, which change and expire."""
_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


class TlsError(OSError):
    """No certificate can be verified. The message is one line that says what to do, and shows no value."""


def tls_context() -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    Raises TlsError if a variable names nothing usable, or if there are no authorities at all: OpenSSL would report
    nothing, and reject every connection.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if _FILE in os.environ:
        _check_file(os.environ[_FILE])
    elif _FOLDER in os.environ:
        if not any(_has_certificates(folder) for folder in os.environ[_FOLDER].split(os.pathsep)):
            raise TlsError(f"{_FOLDER} names no folder with certificates: run `openssl rehash` in it, or unset it")
    elif sys.platform != "win32" and not (
        context.cert_store_stats()["x509_ca"] or _has_certificates(ssl.get_default_verify_paths().openssl_capath)
    ):
        raise TlsError(f"no certificate authorities found: install ca-certificates, or set {_FILE}")
    return context


class Sessions:
    """Stores the latest TLS session with a host, for its next connections to resume.

    The session must be set before the handshake, and asyncio has no parameter for it.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Resume sessions on all new connections of this context to the host."""
        self._latest: ssl.SSLSession | None = None
        self._expires = 0.0

        class Resuming(ssl.SSLObject):
            is_new = True

            def do_handshake(this) -> None:  # noqa: N805 (`self` is the sessions)
                if this.is_new and this.server_hostname == host and time.monotonic() < self._expires:
                    this.session = self._latest
                this.is_new = False
                super().do_handshake()

        context.sslobject_class = Resuming

    def keep(self, connection: ssl.SSLObject) -> None:
        """Store the session of a connection that has received data: TLS 1.3 sends tickets with or after the first."""
        if not connection.session_reused:
            self._latest = connection.session
            self._expires = time.monotonic() + RESUME_SECONDS


def _check_file(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        reason = "has no certificates"
    except (OSError, ValueError) as error:
        reason = f"cannot be read ({getattr(error, 'strerror', None) or 'not a path'})"
    else:
        return
    raise TlsError(f"{_FILE} names a file that {reason}: correct it, or unset it to use the system's authorities")


def _has_certificates(folder: str) -> bool:
    """Return whether OpenSSL finds a certificate in a folder: it looks for names such as `5ed36f99.0`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in Path(folder).glob("[0-9a-f]" * 8 + ".[0-9]*") if folder else ():
        with contextlib.suppress(OSError):  # includes ssl.SSLError
            context.load_verify_locations(file)
            return True
    return False
