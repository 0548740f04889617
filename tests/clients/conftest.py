from collections.abc import Iterator

import pytest
from support.gateway import GatewayProcess, gateway_before_sandbox


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    """Run `invitations-gateway serve` in front of a newly seeded sandbox."""
    with gateway_before_sandbox() as gateway:
        yield gateway
