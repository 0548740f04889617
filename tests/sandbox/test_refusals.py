import base64
import json
import re
from contextlib import closing
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.servers import serve_app

from gateway.sandbox import Store, create_app, routes

pytestmark = pytest.mark.quick

JSON = {"Content-Type": "application/json"}


def assert_graph_error(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.json().keys() == {"error"}
    error = response.json()["error"]
    assert error.keys() == {"code", "message", "innerError"}
    assert error["code"] == code
    assert error["message"]
    inner = error["innerError"]
    assert inner.keys() == {"date", "request-id", "client-request-id"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner["date"])
    assert inner["request-id"] == response.headers["request-id"]
    assert inner["client-request-id"] == response.headers["client-request-id"]


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "token", "Bearer a b"])
@pytest.mark.parametrize("path", ["", "/any", "/any/thing"])
def test_a_request_without_a_bearer_token_is_a_401(url: str, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method in ("GET", "POST", "PATCH", "DELETE"):
        response = httpx.request(method, url + path, headers=headers, trust_env=False)
        assert_graph_error(response, 401, "InvalidAuthenticationToken")
        assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("authorization", ["Bearer x", "bearer eyJ0.e30.-_~+/=", "BEARER  sandbox"])
def test_any_bearer_token_is_accepted(url: str, authorization: str) -> None:
    assert httpx.get(url, headers={"Authorization": authorization}, trust_env=False).status_code == 200


BAD_BODIES = [
    b"",
    b"{",
    b'{"created": 1,}',
    b"{'created': 1}",
    b"[]",
    b"1",
    b"null",
    b'"x"',
    b'{"created": NaN}',
    b'{"inviter": "\xff"}',
    b'{"inviter": "\\ud800"}',
    b'{"inviter": "\\ud800abcdefgh"}',
    b'{"inviter": "\\udc00"}',
    b'{"created": ' + b"1" * 5000 + b"}",
    b'{"message": ' + b"[" * 100_000,
    b'{"message": ' * 100_000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"a":' * 400 + b"1" + b"}" * 400,
    b"{} {}",
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_not_an_invitation_is_refused(client: httpx.Client, url: str, method: str, body: bytes) -> None:
    assert_graph_error(client.request(method, url, content=body, headers=JSON), 400, "BadRequest")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_of_another_media_type_is_refused(
    client: httpx.Client, url: str, method: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert_graph_error(client.request(method, url, content=b"{}", headers=headers), 415, "UnsupportedMediaType")


def test_parameters_of_the_media_type_are_accepted(client: httpx.Client, url: str) -> None:
    headers = {"Content-Type": "Application/JSON ; IEEE754Compatible=true;charset=utf-8"}
    assert_graph_error(client.post(url, content=b"{}", headers=headers), 400, "BadRequest")


def test_a_body_over_4_mib_is_too_large(client: httpx.Client, url: str) -> None:
    limit = 4 * 1024 * 1024
    assert_graph_error(client.post(url, content=b" " * limit, headers=JSON), 400, "BadRequest")
    assert_graph_error(client.post(url, content=b" " * (limit + 1), headers=JSON), 413, "RequestEntityTooLarge")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD"])
def test_another_method_is_not_allowed(client: httpx.Client, url: str, method: str) -> None:
    for path, allowed in (("", "GET, PATCH, POST"), ("/any", "GET, PATCH")):
        response = client.request(method, url + path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)
        if method != "HEAD":
            assert_graph_error(response, 405, "MethodNotAllowed")
    assert_graph_error(client.post(f"{url}/any", json={}), 405, "MethodNotAllowed")


@pytest.mark.parametrize("path", ["/v1.0/me", "/v1.0/", "/v1.0/linkedIn", "/v1.0/linkedIn/invitationsX", "/v1%2E0/me"])
def test_another_path_is_not_found(client: httpx.Client, url: str, path: str) -> None:
    assert_graph_error(client.get(httpx.URL(url).join(path)), 404, "ResourceNotFound")


def test_a_path_that_is_not_utf8_is_refused(client: httpx.Client, url: str) -> None:
    assert_graph_error(client.get(f"{url}/%FF"), 400, "BadRequest")


def test_every_response_has_a_request_id_and_repeats_the_callers_own(client: httpx.Client, url: str) -> None:
    mine = str(uuid4())
    seen = set()
    for target in (url, f"{url}/nobody"):
        response = client.get(target, headers={"client-request-id": mine})
        assert response.headers["client-request-id"] == mine
        seen.add(str(UUID(response.headers["request-id"])))
        response = client.get(target, headers={"client-request-id": "no uuid"})
        assert response.headers["client-request-id"] == response.headers["request-id"]
        seen.add(response.headers["request-id"])
    assert len(seen) == 4


PROVOKED = [
    ("forbidden", 403, "Forbidden"),
    ("throttled", 429, "TooManyRequests"),
    ("unavailable", 503, "ServiceUnavailable"),
    ("claims", 401, "InvalidAuthenticationToken"),
]


@pytest.mark.parametrize(("name", "status", "code"), PROVOKED)
def test_special_ids_and_invitees_provoke_errors(
    client: httpx.Client, url: str, name: str, status: int, code: str
) -> None:
    urn = f"urn:li:sandbox:{name}"
    body = {"created": 1, "lastModified": 1, "inviter": "a", "invitee": "b", "message": {}, "trackingId": "t"}
    existing = client.post(url, json=body).json()
    for response in (
        client.get(f"{url}/{urn}"),
        client.post(url, json=body | {"invitee": urn}),
        client.post(url, json=body | {"id": urn}),
        client.patch(url, json={"id": urn}),
        client.patch(url, json={"id": existing["id"], "invitee": urn}),
        client.patch(f"{url}/{urn}", json={}),
    ):
        assert_graph_error(response, status, code)
    assert client.get(f"{url}/{existing['id']}").json() == existing


def test_a_create_can_be_throttled_until_a_time_after_it_was_made(client: httpx.Client, url: str) -> None:
    urn = "urn:li:sandbox:throttled-at-first"
    body = {"lastModified": 1, "inviter": "a", "invitee": urn, "message": {}, "trackingId": "t"}
    later = 2**62
    response = client.post(url, json=body | {"created": later})
    assert_graph_error(response, 429, "TooManyRequests")
    assert response.headers["retry-after"] == "2"
    assert client.post(url, json=body | {"created": 1}).status_code == 201


def test_a_create_can_succeed_although_its_response_is_lost(client: httpx.Client, url: str) -> None:
    body = {"created": 1, "lastModified": 1, "inviter": "a", "invitee": "urn:li:sandbox:lost", "message": {}}
    response = client.post(url, json=body | {"id": "lost-1", "trackingId": "t"})
    assert_graph_error(response, 504, "GatewayTimeout")
    assert client.get(f"{url}/lost-1").json()["trackingId"] == "t"


def test_provoked_errors_have_the_headers_that_clients_read(client: httpx.Client, url: str) -> None:
    assert client.get(f"{url}/urn:li:sandbox:throttled").headers["retry-after"] == "2"
    challenge = client.get(f"{url}/urn:li:sandbox:claims").headers["www-authenticate"]
    claims = re.search(r'claims="([^"]+)"', challenge)
    assert claims
    assert "access_token" in json.loads(base64.b64decode(claims[1]))


def test_the_routes_can_be_mounted_next_to_another_app(client: httpx.Client) -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"hello {request.method}")

    with closing(Store()) as store, serve_app(Starlette(routes=[Route("/hello", hello), *routes(store)])) as base:
        assert client.get(f"{base}/hello").text == "hello GET"
        assert client.get(f"{base}/v1.0/linkedIn/invitations").status_code == 200
        assert_graph_error(client.get(f"{base}/v1.0/hello"), 404, "ResourceNotFound")
        assert "error" not in client.get(f"{base}/elsewhere").text


def test_a_path_prefix_is_kept_in_links(client: httpx.Client) -> None:
    with closing(Store()) as store, serve_app(Starlette(routes=[Mount("/behind a proxy", create_app(store))])) as base:
        root = f"{base}/behind%20a%20proxy/v1.0"
        page = client.get(f"{root}/linkedIn/invitations").json()
        assert page["@odata.context"] == f"{root}/$metadata#linkedIn/invitations"
        assert page["@odata.nextLink"].startswith(f"{root}/linkedIn/invitations?$top=20&$skiptoken=")
        assert client.get(f"{root}/linkedIn/invitations/{page['value'][0]['id']}").status_code == 200
