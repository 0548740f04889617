"""The start fails if TLS cannot work: otherwise every request would end in UPSTREAM_UNAVAILABLE."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from support.certificates import self_signed
from support.commands import run_command, started
from support.requirements import need

from gateway.transport import TlsError, tls_context


@pytest.fixture(autouse=True)
def _no_authorities_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)


def test_unusable_certificate_authorities_stop_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "5ed36f99.0").write_text("no certificate")
    cases = {
        "SSL_CERT_FILE": ["missing.pem", "text.pem", "empty.pem", "folder", ""],
        "SSL_CERT_DIR": ["missing", "folder", "texts", "text.pem", f"missing{os.pathsep}folder"],
    }
    for variable, paths in cases.items():
        for path in paths:
            value = os.pathsep.join(str(tmp_path / part) for part in path.split(os.pathsep)) if path else ""
            result = run_command("serve", "--port", "0", variables={variable: value})
            assert result.returncode == 1, (variable, path)
            assert result.stdout == ""
            (line,) = result.stderr.splitlines()
            assert line.startswith("Error: ")
            assert f" {variable} names" in f" {line}"
            assert str(tmp_path) not in line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_upstream_without_tls_needs_no_certificate_authorities(tmp_path: Path, workers: str) -> None:
    variables = {"SSL_CERT_FILE": str(tmp_path / "missing"), "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:1"}
    with started("serve", "--port", "0", "--workers", workers, variables=variables) as serve:
        serve.url_before("/graphql")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_with_usable_certificate_authorities_the_gateway_starts(tmp_path: Path, workers: str) -> None:
    _, certificate = self_signed(tmp_path, "DNS:graph.test")
    need(shutil.which("openssl"), "the openssl command is needed to name the certificate's file")
    named = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", certificate], capture_output=True, text=True, check=True
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / f"{named.stdout.strip()}.0").write_bytes(certificate.read_bytes())
    for variables in (
        {"SSL_CERT_FILE": str(certificate)},
        {"SSL_CERT_FILE": str(certificate), "SSL_CERT_DIR": str(tmp_path / "missing")},
        {"SSL_CERT_DIR": f"{tmp_path / 'missing'}{os.pathsep}{tmp_path / 'folder'}"},
    ):
        with started("serve", "--port", "0", "--workers", workers, variables=variables) as serve:
            serve.url_before("/graphql")


def test_a_system_without_certificate_authorities_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = ssl.get_default_verify_paths()._replace(openssl_capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    with pytest.raises(TlsError, match="install ca-certificates, or set SSL_CERT_FILE"):
        tls_context()
