"""The media type of a response, and how it affects the status."""

import json

import httpx
import pytest
from support.gateway import GatewayProcess, gateway_before_sandbox
from support.requirements import need

from gateway.engine import Result
from gateway.http.accept import MAX_READ, best_coding
from gateway.http.response import answer

pytestmark = pytest.mark.quick

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

# A weight is 0 to 1 with at most three decimals and no spaces (RFC 9110, section 12.4.2).
MALFORMED_WEIGHTS = [
    "q",
    "q=",
    "q=.",
    "q=2",
    "q=-1",
    "q=-0.5",
    "q=+1",
    "q=1.1",
    "q=1.001",
    "q=1.0000",
    "q=0.5000",
    "q=00.5",
    "q=1e-1",
    "q=0_1",
    "q=0x1",
    "q=nan",
    "q=inf",
    'q="1"',
    "q=1 1",
    "q =1",
    "q= 1",
]

ACCEPTED = {
    JSON: JSON,
    GRAPHQL: GRAPHQL,
    "Application/JSON": JSON,
    f"{GRAPHQL}; charset=utf-8": GRAPHQL,
    f'{JSON}; charset="UTF-8"': JSON,
    "*/*": JSON,
    "application/*": JSON,
    "": JSON,
    f"{GRAPHQL}, {JSON}": GRAPHQL,
    f"{JSON}, {GRAPHQL}": GRAPHQL,
    f"{GRAPHQL}, {JSON};q=0.9": GRAPHQL,
    f"{GRAPHQL};q=0.5, {JSON}": JSON,
    f"{GRAPHQL};q=0.5,{JSON};q=0.501": JSON,
    f"{GRAPHQL} ; q=0.8 , {JSON} ; q=0.7": GRAPHQL,
    f"{GRAPHQL}, */*;q=0.1": GRAPHQL,
    f"{GRAPHQL}, */*": GRAPHQL,
    f"{GRAPHQL}, application/*": GRAPHQL,
    f"{JSON}, */*": JSON,
    f"{JSON}, application/*": JSON,
    f"{JSON};q=0.1, application/*": GRAPHQL,
    f"{JSON};q=0.1, application/*;q=0.1, */*": JSON,
    f"{JSON};q=0, application/*, */*;q=0": GRAPHQL,
    f"{GRAPHQL};q=0.1, */*": JSON,
    f"{JSON};q=0, */*": GRAPHQL,
    f"{GRAPHQL};q=0, */*": JSON,
    f"{GRAPHQL};q=0, application/*;q=0.2": JSON,
    "text/plain, application/*;q=0.2": JSON,
    f"{GRAPHQL};charset=utf-16, {JSON}": JSON,
    f"{JSON};q=0, {JSON}": JSON,
    f"{JSON}, {JSON};q=0": JSON,
    f"{JSON}, {GRAPHQL};q=0.5, {JSON};q=0.1": JSON,
    f"{JSON};charset=latin-1, {JSON}": JSON,
    f"{JSON};q=1.": JSON,
    f"{JSON};q=1.000": JSON,
    f"{JSON};Q=0.5, {GRAPHQL};q=0.4": JSON,
    f"{JSON};version=1": JSON,
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2": JSON,  # Java's HttpURLConnection
    ", ,": JSON,
    BROWSER: JSON,
}

UNACCEPTABLE = [
    "text/plain",
    "text/html",
    "text/*",
    "application/xml",
    "application/jsonx",
    f"{JSON};q=0",
    f"{JSON};q=0, {GRAPHQL};q=0.0",
    "*/*;q=0",
    f"{JSON};q=0, {GRAPHQL};q=0, */*",
    f"{JSON};q=0.",
    f"{JSON};q=.000",
    f"{JSON};charset=latin-1",
    f"{JSON};charset=latin-1;q=1",
    f"{JSON};q=1;charset=latin-1",
    f"{JSON};q=0;q=1",
    f"{JSON};q=1;q=0",
    "application/*;q=0, */*",
    *(f"{JSON};{malformed}" for malformed in MALFORMED_WEIGHTS),
]

NOT_EXECUTED = {
    "parsing": ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    "validation": ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    "operation choice": ({"query": "query A { __typename } query B { __typename }"}, "BAD_REQUEST"),
    "operation name": ({"query": "query A { __typename }", "operationName": "B"}, "BAD_REQUEST"),
    "no operation": ({"query": "fragment F on Query { __typename }"}, "BAD_REQUEST"),
    "variable coercion": (
        {"query": "query ($id: ID!) { invitation(id: $id) { id } }", "variables": {"id": {}}},
        "BAD_USER_INPUT",
    ),
    "missing variable": ({"query": "query ($id: ID!) { invitation(id: $id) { id } }"}, "BAD_USER_INPUT"),
}


def ask(client: httpx.Client, gateway: GatewayProcess, body: object, accept: str | None) -> httpx.Response:
    headers = {} if accept is None else {"Accept": accept}
    return client.post(f"{gateway.url}/graphql", json=body, headers=headers)


@pytest.mark.parametrize(("accept", "media_type"), ACCEPTED.items())
def test_the_response_has_the_preferred_media_type(
    accept: str, media_type: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = ask(client, gateway, {"query": "{ __typename }"}, accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json() == {"data": {"__typename": "Query"}}


def test_without_accept_the_response_is_json(gateway: GatewayProcess, client: httpx.Client) -> None:
    response = ask(client, gateway, {"query": "{ __typename }"}, None)
    assert "accept" not in response.request.headers
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"


def test_several_accept_headers_are_one_list(gateway: GatewayProcess, client: httpx.Client) -> None:
    headers = [("Accept", f"{JSON};q=0.5"), ("Accept", GRAPHQL)]
    response = client.post(f"{gateway.url}/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"


@pytest.mark.parametrize("accept", UNACCEPTABLE)
def test_an_unacceptable_media_type_is_a_406_in_json(
    accept: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = ask(client, gateway, {"query": "{ __typename }"}, accept)
    assert response.status_code == 406
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST", "outcome": "NOT_APPLIED"}
    assert "data" not in response.json()


@pytest.mark.parametrize("case", NOT_EXECUTED)
@pytest.mark.parametrize(("media_type", "status"), [(JSON, 200), (GRAPHQL, 400)])
def test_an_operation_that_was_not_executed_has_no_data(
    case: str, media_type: str, status: int, gateway: GatewayProcess, client: httpx.Client
) -> None:
    body, code = NOT_EXECUTED[case]
    response = ask(client, gateway, body, media_type)
    assert response.status_code == status
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert set(response.json()) == {"errors"}
    assert {error["extensions"]["code"] for error in response.json()["errors"]} == {code}


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL])
def test_an_executed_operation_that_failed_has_data_and_is_a_200(
    media_type: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = ask(client, gateway, {"query": '{ invitation(id: "1") { id } }'}, media_type)
    assert response.status_code == 200
    assert response.json()["data"] == {"invitation": None}
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("media_type", [JSON, GRAPHQL])
def test_an_executed_operation_is_a_200_even_if_its_data_is_null(media_type: str) -> None:
    # No field of this schema can make all of `data` null, so call the function itself.
    errors: list[dict[str, object]] = [{"message": "It failed."}]

    made = answer(Result(data=None, errors=errors, executed=True), media_type, errors)

    assert made.status == 200
    assert json.loads(made.body) == {"errors": errors, "data": None}


@pytest.mark.parametrize(
    ("method", "body", "accept"),
    [
        ("POST", {"query": "{ __typename }"}, JSON),
        ("POST", {"query": "{"}, GRAPHQL),
        ("POST", {"query": "{ __typename }"}, "text/plain"),
        ("GET", None, JSON),
        ("DELETE", None, JSON),
    ],
)
def test_every_response_varies_by_accept_and_forbids_sniffing_and_storing(
    method: str, body: object, accept: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = client.request(method, f"{gateway.url}/graphql", json=body, headers={"Accept": accept})
    assert response.headers["vary"] == "Accept"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json, Text/HTML;q=0.1"])
def test_a_get_that_accepts_html_by_name_gets_graphiql(
    accept: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = client.get(f"{gateway.url}/graphql", headers={"Accept": accept})
    need(response.status_code != 503, "GraphiQL's files are built when the gateway is installed")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "GraphiQL" in response.text


@pytest.mark.parametrize("accept", [None, "*/*", "text/*", "text/html;q=0, */*", JSON, GRAPHQL])
def test_a_get_without_a_query_is_refused_unless_it_accepts_html_by_name(
    accept: str | None, gateway: GatewayProcess, client: httpx.Client
) -> None:
    response = client.get(f"{gateway.url}/graphql", headers={} if accept is None else {"Accept": accept})
    assert response.status_code in (400, 406)
    assert "json" in response.headers["content-type"]
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_get_with_a_query_is_answered_even_in_a_browser(gateway: GatewayProcess, client: httpx.Client) -> None:
    response = client.get(f"{gateway.url}/graphql", params={"query": "{ __typename }"}, headers={"Accept": BROWSER})
    assert response.json() == {"data": {"__typename": "Query"}}


def test_without_the_playground_no_request_gets_html(client: httpx.Client) -> None:
    with gateway_before_sandbox(PLAYGROUND="false") as gateway:
        response = client.get(f"{gateway.url}/graphql", headers={"Accept": BROWSER})
        assert response.status_code == 400
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_coding_whose_weight_is_cut_off_is_ignored() -> None:
    for length in range(MAX_READ - 10, MAX_READ + 10):
        assert best_coding("y" * length + ",br;q=0", ("br", "gzip")) == "identity"
