"""Certificates for tests, created by the openssl command on each run so that no key is stored anywhere."""

import shutil
import ssl
import subprocess
from pathlib import Path

from support.requirements import need


def self_signed(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server context with a certificate for these names (`DNS:…`, `IP:…`), and the file to trust."""
    need(shutil.which("openssl"), "the openssl command is needed to create the certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [*request.split(), *files, "-addext", f"subjectAltName={','.join(names)}"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


class Certificates:
    """A server with a certificate for these names, and a client that trusts it."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.server, certificate = self_signed(folder, *names)
        self.client = ssl.create_default_context(cafile=certificate)
