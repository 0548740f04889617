from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream
from support.keys import gateway_with_file, gateway_with_memory
from support.redis import redis_server


@pytest.fixture(scope="module", params=["memory", "sqlite", "redis"])
def _gateway(
    request: pytest.FixtureRequest, upstream: InvitationsUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Run a gateway with each kind of store."""
    file = tmp_path_factory.mktemp("keys") / "keys.db"
    with ExitStack() as stack:
        if request.param == "memory":
            running = gateway_with_memory(upstream.url)
        elif request.param == "sqlite":
            running = gateway_with_file(upstream.url, file)
        else:
            server = stack.enter_context(redis_server())
            running = running_gateway(upstream.url, idempotency_store=server.url)
        yield stack.enter_context(running)


@pytest.fixture
def gateway(_gateway: Gateway) -> Gateway:
    """Return the gateway, as a user whom it does not throttle."""
    _gateway.as_another_user()
    return _gateway
