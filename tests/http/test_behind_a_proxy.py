"""The gateway under a path prefix that a proxy strips."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest
from support.gateway import GatewayProcess
from support.prefix_proxy import prefix_proxy
from support.requirements import need
from support.servers import serve_app

PREFIX = "/tools/invitations"


@pytest.fixture(scope="module")
def proxied(gateway: GatewayProcess) -> Iterator[str]:
    """Return the gateway's base URL behind the proxy."""
    with serve_app(prefix_proxy(PREFIX, gateway.url)) as proxy:
        yield proxy + PREFIX


def test_the_api_answers_under_a_prefix(proxied: str, client: httpx.Client) -> None:
    posted = client.post(f"{proxied}/graphql", json={"query": "{ __typename }"})
    assert posted.json() == {"data": {"__typename": "Query"}}
    asked = client.get(f"{proxied}/graphql", params={"query": "{ __typename }"})
    assert asked.json() == {"data": {"__typename": "Query"}}
    assert posted.headers["x-request-id"]


def test_graphiql_finds_all_its_files_under_the_prefix(proxied: str, client: httpx.Client) -> None:
    page = client.get(f"{proxied}/graphql", headers={"Accept": "text/html"})
    need(page.status_code != 503, "GraphiQL's files are built when the gateway is installed")
    addresses = [urljoin(str(page.url), found) for found in re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.text)]
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith(f"{proxied}/graphiql/")
        assert client.get(address).status_code == 200
