"""The files that a process may open are enough for everything that it opens at once."""

import pytest

from gateway.server import descriptors
from gateway.transport import pool, tcp


@pytest.mark.parametrize("operations", [1, 64, 400, 4000, 100_000])
def test_the_limit_has_room_for_all_clients_and_for_all_attempts_to_connect(
    operations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in [*range(512, 8192), 10_240, 65_536]:
        monkeypatch.setattr(descriptors, "_limit", lambda limit=limit: limit)
        clients = descriptors.client_connections(operations)
        upstream = descriptors.upstream_connections(operations)
        opening = min(upstream, pool.MAX_DIALS + pool.MAX_SLOW_DIALS)
        used = clients + descriptors.REFUSALS + upstream + opening * (tcp.AT_ONCE - 1)
        assert used + 64 <= limit
        assert clients >= 2 * upstream >= 2
        assert upstream == operations or used > limit - 70  # nothing is wasted
