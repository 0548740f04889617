"""Clients that request GraphiQL's largest file and do not read it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from support.gateway import GatewayProcess, gateway_process
from support.processes import need_proc
from support.raw_http import RawConnection, request
from support.requirements import need
from support.waiting import LIMIT

CLIENTS = 100


@pytest.fixture(scope="module")
def alone() -> Iterator[GatewayProcess]:
    """Run a gateway for this test only, so that its memory can be measured."""
    with gateway_process("serve") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def script(alone: GatewayProcess) -> str:
    """Return the path of GraphiQL's script."""
    page = httpx.get(f"{alone.url}/graphql", headers={"Accept": "text/html"}, trust_env=False, timeout=LIMIT)
    need(page.is_success, "GraphiQL's assets are missing: the gateway is not installed")
    found = re.search(r'src="(graphiql/[0-9a-f]{16}/graphiql\.js)"', page.text)
    assert found
    return f"/{found[1]}"


def test_clients_that_do_not_read_hold_no_copies_in_memory_and_get_the_rest_later(
    alone: GatewayProcess, script: str
) -> None:
    need_proc()
    whole = httpx.get(
        alone.url + script, headers={"Accept-Encoding": "identity"}, trust_env=False, timeout=LIMIT
    ).content
    assert len(whole) > 4_000_000
    before = alone.resident()

    with ExitStack() as stack:
        clients = [stack.enter_context(asking_for(script, alone.port)) for _ in range(CLIENTS)]
        started = [client.read(1) for client in clients]  # so the gateway has begun to answer all of them

        assert started == [b"H"] * CLIENTS
        assert alone.resident() - before < 40
        assert httpx.get(f"{alone.url}/healthz", trust_env=False, timeout=LIMIT).text == "ok\n"
        assert the_rest(clients[0]).partition(b"\r\n\r\n")[2] == whole


def asking_for(path: str, port: int) -> RawConnection:
    """Request an uncompressed file over a connection with a small receive buffer."""
    client = RawConnection(port, window=4096)
    client.send(request(None, b"Connection: close", method=b"GET", target=path.encode()))
    return client


def the_rest(client: RawConnection) -> bytes:
    """Return everything until the gateway closes."""
    return b"".join(iter(client.read, b""))
