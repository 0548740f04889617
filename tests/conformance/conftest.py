from collections.abc import Iterator
from contextlib import closing

import pytest
from support.gateway import Gateway, running
from support.servers import serve_app

from gateway.sandbox import Store, create_app


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """Run `invitations-gateway serve` with its default settings, in front of a sandbox."""
    with (
        closing(Store()) as store,
        serve_app(create_app(store)) as upstream,
        running("serve", UPSTREAM_URL=f"{upstream}/v1.0") as gateway,
    ):
        yield gateway
