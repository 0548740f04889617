from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from support.servers import serve_app

from gateway.sandbox import SANDBOX_TOKEN, Store, create_app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve a new sandbox for the tests of a module, and return the URL of its collection."""
    with closing(Store()) as store, serve_app(create_app(store)) as base:
        yield f"{base}/v1.0/linkedIn/invitations"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"Authorization": f"Bearer {SANDBOX_TOKEN}"}, timeout=30, trust_env=False) as client:
        yield client
