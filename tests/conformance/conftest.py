from collections.abc import Iterator

import pytest
from support.gateway_process import GatewayProcess, gateway_before_sandbox


@pytest.fixture(scope="session")
def gateway() -> Iterator[GatewayProcess]:
    """Run `invitations-gateway serve` with its default settings, in front of a sandbox."""
    with gateway_before_sandbox() as gateway:
        yield gateway
