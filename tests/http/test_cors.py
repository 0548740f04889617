"""Which pages of other origins may call the API."""

from collections.abc import Iterator

import httpx
import pytest
from support.gateway import GatewayProcess, gateway_before_sandbox

pytestmark = pytest.mark.quick

PAGE = "https://app.example.com"
LOCAL = [
    "http://localhost:3000",
    "http://localhost",
    "https://localhost:5173",
    "http://127.0.0.1:8080",
    "http://127.0.0.1",
]
FOREIGN = [
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example.com",
    "http://localhost.evil.example.com",
    "http://localhost:3000.evil.example.com",
    "http://127.0.0.1.evil.example.com",
    "http://evil.example.com/#localhost:3000",
    "http://127.0.0.2:3000",
    "http://notlocalhost:3000",
    "null",
]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
}


@pytest.fixture(scope="module")
def configured() -> Iterator[GatewayProcess]:
    with gateway_before_sandbox(CORS_ORIGINS=f"{PAGE}, https://other.example.com") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def public() -> Iterator[GatewayProcess]:
    with gateway_before_sandbox(CORS_ORIGINS="*") as gateway:
        yield gateway


def call(client: httpx.Client, gateway: GatewayProcess, origin: str, body: object = None) -> httpx.Response:
    return client.post(f"{gateway.url}/graphql", json=body or {"query": "{ __typename }"}, headers={"Origin": origin})


def preflight(client: httpx.Client, gateway: GatewayProcess, origin: str, **headers: str) -> httpx.Response:
    return client.options(f"{gateway.url}/graphql", headers={"Origin": origin, **PREFLIGHT, **headers})


def permissions(response: httpx.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-allow-")}


def exposed(response: httpx.Response) -> set[str]:
    return {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}


@pytest.mark.parametrize("origin", [PAGE, *LOCAL, *FOREIGN])
def test_serve_allows_no_pages_by_default(origin: str, gateway: GatewayProcess, client: httpx.Client) -> None:
    response = call(client, gateway, origin)
    assert response.status_code == 200
    assert not permissions(response)
    refused = preflight(client, gateway, origin)
    assert refused.status_code == 405
    assert not permissions(refused)


@pytest.mark.parametrize("origin", LOCAL)
def test_dev_allows_local_pages_on_any_port(origin: str, dev: GatewayProcess, client: httpx.Client) -> None:
    assert call(client, dev, origin).headers["access-control-allow-origin"] == origin
    asked = preflight(client, dev, origin)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", [PAGE, *FOREIGN])
def test_dev_allows_no_other_pages(origin: str, dev: GatewayProcess, client: httpx.Client) -> None:
    assert "access-control-allow-origin" not in call(client, dev, origin).headers
    assert "access-control-allow-origin" not in preflight(client, dev, origin).headers


@pytest.mark.parametrize("origin", [PAGE, "https://other.example.com"])
def test_serve_allows_pages_from_the_configured_origins(
    origin: str, configured: GatewayProcess, client: httpx.Client
) -> None:
    assert call(client, configured, origin).headers["access-control-allow-origin"] == origin
    asked = preflight(client, configured, origin)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", [*LOCAL, *FOREIGN])
def test_serve_allows_no_other_pages(origin: str, configured: GatewayProcess, client: httpx.Client) -> None:
    assert "access-control-allow-origin" not in call(client, configured, origin).headers
    assert "access-control-allow-origin" not in preflight(client, configured, origin).headers


@pytest.mark.parametrize("origin", [PAGE, *FOREIGN])
def test_serve_allows_all_pages_if_configured(origin: str, public: GatewayProcess, client: httpx.Client) -> None:
    assert call(client, public, origin).headers["access-control-allow-origin"] == "*"
    assert preflight(client, public, origin).headers["access-control-allow-origin"] == "*"


def test_a_preflight_permits_what_graphql_clients_send(configured: GatewayProcess, client: httpx.Client) -> None:
    asked = preflight(client, configured, PAGE)
    assert {it.strip() for it in asked.headers["access-control-allow-methods"].split(",")} == {"GET", "POST"}
    allowed = {it.strip().lower() for it in asked.headers["access-control-allow-headers"].split(",")}
    assert allowed >= {"authorization", "content-type", "x-request-id"}
    assert int(asked.headers["access-control-max-age"]) > 0
    assert "origin" in asked.headers["vary"].lower()


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_a_preflight_for_another_method_is_refused(
    method: str, configured: GatewayProcess, client: httpx.Client
) -> None:
    asked = preflight(client, configured, PAGE, **{"Access-Control-Request-Method": method})
    assert asked.status_code == 400


def test_no_page_may_send_cookies(dev: GatewayProcess, public: GatewayProcess, client: httpx.Client) -> None:
    for gateway, origin in ((dev, LOCAL[0]), (public, PAGE)):
        for response in (call(client, gateway, origin), preflight(client, gateway, origin)):
            assert "access-control-allow-credentials" not in response.headers
            assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "body", [{"query": "{ __typename }"}, {"query": "{"}, 1], ids=["answered", "not run", "refused"]
)
def test_a_page_can_read_the_request_id_and_retry_after(
    body: object, configured: GatewayProcess, client: httpx.Client
) -> None:
    response = call(client, configured, PAGE, body)
    assert response.headers["access-control-allow-origin"] == PAGE
    assert exposed(response) == {"x-request-id", "retry-after"}
    assert response.headers["x-request-id"]


def test_responses_vary_by_origin_as_well_as_by_accept(configured: GatewayProcess, client: httpx.Client) -> None:
    for origin in (PAGE, FOREIGN[0]):
        vary = {name.strip().lower() for name in call(client, configured, origin).headers["vary"].split(",")}
        assert vary == {"accept", "origin"}


def test_an_options_request_that_is_not_a_preflight_is_a_405(configured: GatewayProcess, client: httpx.Client) -> None:
    response = client.options(f"{configured.url}/graphql", headers={"Origin": PAGE})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
