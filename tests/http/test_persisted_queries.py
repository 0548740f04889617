"""The response to a persisted query, which makes Apollo Client send the full query."""

import hashlib
import json

import httpx
import pytest
from support.gateway import GatewayProcess

pytestmark = pytest.mark.quick

GRAPHQL = "application/graphql-response+json"
QUERY = "query Who { __typename }"
EXTENSIONS = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(QUERY.encode()).hexdigest()}}
REQUEST = {"operationName": "Who", "variables": {}, "extensions": EXTENSIONS}
PARAMETERS = {"operationName": "Who", "variables": "{}", "extensions": json.dumps(EXTENSIONS)}


@pytest.mark.parametrize("accept", [f"{GRAPHQL},application/json;q=0.9", "application/json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hash_alone_is_answered_as_apollo_client_expects(
    method: str, accept: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    how = {"json": REQUEST} if method == "POST" else {"params": PARAMETERS}
    response = client.request(method, f"{gateway.url}/graphql", headers={"Accept": accept}, **how)
    assert response.status_code == (400 if accept.startswith(GRAPHQL) else 200)
    # A GET runs no mutation; a POST may be meant to run one.
    outcome = {"outcome": "NOT_APPLIED"} if method == "POST" else {}
    extensions = {"code": "PERSISTED_QUERY_NOT_SUPPORTED", **outcome}
    assert response.json() == {"errors": [{"message": "PersistedQueryNotSupported", "extensions": extensions}]}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_hash_that_comes_with_its_query_is_ignored(
    method: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    body, parameters = {**REQUEST, "query": QUERY}, {**PARAMETERS, "query": QUERY}
    how = {"json": body} if method == "POST" else {"params": parameters}
    for _ in range(2):
        assert client.request(method, f"{gateway.url}/graphql", **how).json() == {"data": {"__typename": "Query"}}
