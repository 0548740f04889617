"""TLS to the upstream, verified by the system's authorities or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`."""

import contextlib
import os
import ssl
import sys
from pathlib import Path

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
