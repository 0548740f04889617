"""The REST API behind every server: nginx with canned responses, so that it never limits a server.

nginx can delay a response only by `auth_delay`, which is meant to slow down guessing of passwords: it waits before it
refuses a request without one. The page for that refusal is the canned response.
"""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from benchmarks.operations import STORED
from support.certificates import self_signed
from support.servers import free_port
from support.waiting import LIMIT, wait_until

MAX_PAGE = 100

_CONFIGURATION = """
daemon off;
worker_processes 1;
pid @folder@/nginx.pid;
error_log @folder@/nginx.log crit;
events { worker_connections 16384; multi_accept on; }
http {
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path @folder@/body;
  proxy_temp_path @folder@/proxy;
  fastcgi_temp_path @folder@/fastcgi;
  uwsgi_temp_path @folder@/uwsgi;
  scgi_temp_path @folder@/scgi;
  map_hash_bucket_size 128;
  variables_hash_max_size 2048;
  map $host $one { default '@one@'; }
  map $args $page {
@pages@
  }
  map "$request_method $uri" $content {
    default $one;
    "GET /v1.0/linkedIn/invitations" '{"value":[$page]}';
  }
  server {
    listen 127.0.0.1:@status@;
    stub_status;
  }
  server {
    listen 127.0.0.1:@port@ @ssl@ backlog=4096;
    @certificate@
    @locations@
  }
}
"""
_ANSWER = "if ($request_method = POST) { return 201 $one; } return 200 $content;"
_AT_ONCE = f"location / {{ {_ANSWER} }}"
_DELAYED = f"""
    location / {{
      auth_delay @delay@ms;
      auth_basic delay;
      auth_basic_user_file /dev/null;
      error_page 401 = @answer;
    }}
    location @answer {{ {_ANSWER} }}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running REST API."""

    url: str
    """Its base URL, as in the gateway's setting."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables with which a server trusts the certificate."""
    status_port: int = 0
    delay: float = 0.0
    """Seconds until it answers a request."""

    def requests(self) -> int:
        """Return the number of requests so far, including those of this method and the next."""
        return self._status(r"\n ?\d+ \d+ (\d+)")

    def wait_until_idle(self) -> None:
        """Wait until no request is unanswered. Raises TimeoutError."""
        wait_until(lambda: self._status(r"Writing: (\d+)") == 1, "the REST API has answered all requests")

    def _status(self, pattern: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=LIMIT) as answer:
            found = re.search(pattern, answer.read().decode())
        if not found:
            raise RuntimeError("nginx does not tell how many requests it had")
        return int(found[1])


@contextmanager
def running_upstream(folder: Path, *, tls: bool, delay: float = 0.0) -> Iterator[Upstream]:
    """Run nginx with its files in a folder; with `tls`, create a certificate and serve over TLS."""
    status, port = free_port(), free_port()
    variables: dict[str, str] = {}
    if tls:
        _, certificate = self_signed(folder, "IP:127.0.0.1", "DNS:localhost")
        variables = {"SSL_CERT_FILE": str(certificate), "NODE_EXTRA_CA_CERTS": str(certificate)}
    configuration = folder / "nginx.conf"
    configuration.write_text(_configuration(folder, port, status, tls=tls, delay=delay), encoding="utf-8")
    process = subprocess.Popen([shutil.which("nginx") or "nginx", "-c", str(configuration), "-e", "stderr"])
    try:
        upstream = Upstream(f"http{'s' if tls else ''}://127.0.0.1:{port}/v1.0", variables, status, delay)
        _wait(upstream, process)
        yield upstream
    finally:
        process.terminate()
        process.wait(LIMIT)


def _configuration(folder: Path, port: int, status: int, *, tls: bool, delay: float) -> str:
    certificate = f"ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;"
    pages = [f"    '$top={size}' '{','.join(['$one'] * size)}';" for size in range(1, MAX_PAGE + 1)]
    text = _CONFIGURATION.replace("@pages@", "\n".join(pages))
    text = text.replace("@locations@", _DELAYED if delay else _AT_ONCE)
    for name, value in {
        "folder": str(folder),
        "one": json.dumps(STORED, separators=(",", ":")),
        "status": str(status),
        "port": str(port),
        "ssl": "ssl" if tls else "",
        "delay": f"{delay * 1000:.0f}",
        "certificate": certificate if tls else "",
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def _wait(upstream: Upstream, process: "subprocess.Popen[bytes]") -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise click.ClickException("nginx did not start")
        try:
            upstream.requests()
        except OSError:
            return False
        return True

    wait_until(answers, "nginx answers")
