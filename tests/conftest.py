from collections.abc import Iterator

import httpx
import pytest
from support.gateway import GatewayProcess, gateway_before_sandbox, gateway_process
from support.invitations_upstream import InvitationsUpstream
from support.waiting import LIMIT


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run a single file in this process, where print and debuggers work; otherwise use all cores."""
    files = {argument.partition("::")[0] for argument in config.args}
    return 0 if len(files) == 1 and files.pop().endswith(".py") else None


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayProcess]:
    """Run `invitations-gateway serve` with its default settings, in front of a sandbox."""
    with gateway_before_sandbox() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def dev() -> Iterator[GatewayProcess]:
    """Run `invitations-gateway dev`."""
    with gateway_process("dev") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def upstream() -> Iterator[InvitationsUpstream]:
    """Run a REST API whose responses each test defines."""
    with InvitationsUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def scripted(upstream: InvitationsUpstream) -> Iterator[GatewayProcess]:
    """Run `invitations-gateway serve` in front of `upstream`, with a timeout longer than any test."""
    with gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT="300") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Return a client that sends no Accept header."""
    with httpx.Client(timeout=LIMIT, trust_env=False) as client:
        del client.headers["Accept"]
        yield client
