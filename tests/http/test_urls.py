"""GraphQL requests in the URL."""

import json

import pytest
from support.gateway import GatewayProcess
from support.raw_http import RawConnection, request

TYPENAME = b'{"query":"{ __typename }"}'


ANSWER = {"data": {"__typename": "Query"}}


def aliased(name: str) -> bytes:
    return json.dumps({"query": f"{{ {name}: __typename }}"}).encode()


def test_a_plus_in_a_url_is_a_space_and_an_escaped_plus_is_a_plus(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        spaced = request(method=b"GET", target=b"/graphql?query=query+A+{+__typename+}&operationName=A")
        assert connection.ask(spaced).json() == ANSWER
        escaped = connection.ask(request(method=b"GET", target=b"/graphql?query={%2B}"))
        assert escaped.json()["errors"][0]["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}


def test_an_empty_url_parameter_counts_as_absent(gateway: GatewayProcess) -> None:
    target = b"/graphql?query={__typename}&operationName=&variables=&extensions="
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(method=b"GET", target=target)).json() == ANSWER


def test_a_get_reads_its_url_and_not_its_body(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(aliased("body"), method=b"GET", target=b"/graphql?query={url:__typename}"))
        assert answer.json() == {"data": {"url": "Query"}}
        assert connection.ask(request(TYPENAME)).json() == ANSWER


@pytest.mark.parametrize("path", [b"/", b"/graphql/", b"/graphql//x", b"/GRAPHQL", b"/%2e%2e/graphql", b"/nothing"])
def test_another_path_is_a_404_and_never_a_redirect(path: bytes, gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        answer = connection.ask(request(TYPENAME, target=path))
        assert (answer.status, answer.header("location")) == (404, None)
        assert connection.ask(request(TYPENAME)).json() == ANSWER
