import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.certificates import self_signed
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, replying


@pytest.fixture(scope="session")
def _gateway_and_upstream() -> Iterator[tuple[Gateway, InvitationsUpstream]]:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        yield gateway, upstream


@pytest.fixture
def gateway(_gateway_and_upstream: tuple[Gateway, InvitationsUpstream]) -> Gateway:
    """Return a gateway in front of `upstream`, as a user whom it does not throttle."""
    gateway = _gateway_and_upstream[0]
    gateway.as_another_user()
    return gateway


@pytest.fixture
def upstream(_gateway_and_upstream: tuple[Gateway, InvitationsUpstream]) -> InvitationsUpstream:
    """Return the REST API behind `gateway`; each test sets its responses."""
    upstream = _gateway_and_upstream[1]
    upstream.expect(replying())
    return upstream


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return a context for a server on 127.0.0.1; gateways that start from now on trust it."""
    context, certificate = self_signed(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context
