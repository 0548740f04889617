from collections.abc import Iterator

import httpx
import pytest
from support.gateway import LIMIT
from support.gateway_process import GatewayProcess, gateway_before_sandbox, gateway_process


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


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Give a client that says nothing of what it accepts."""
    with httpx.Client(timeout=LIMIT, trust_env=False) as client:
        del client.headers["Accept"]
        yield client
