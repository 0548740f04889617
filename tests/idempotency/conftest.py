from collections.abc import Iterator

import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream
from support.keys import gateway_with_file, gateway_with_memory


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def gateway(
    request: pytest.FixtureRequest, upstream: InvitationsUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Run a gateway with each kind of store."""
    file = tmp_path_factory.mktemp("keys") / "keys.db"
    start = gateway_with_memory if request.param == "memory" else lambda url: gateway_with_file(url, file)
    with start(upstream.url) as gateway:
        yield gateway
