"""A bug in the gateway is answered and logged with its location, without revealing any data."""

from collections.abc import Iterator, Mapping

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.scalars import JSON
from support.gateway import Gateway, running_gateway
from support.operations import MUTATIONS, OPERATIONS, Operation
from support.servers import serve_app

from gateway.engine import Engine
from gateway.http import GraphQLEndpoint
from gateway.schema import create_schema

pytestmark = pytest.mark.quick

SECRET = "Jane-Doe-4711"


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """Serve an endpoint with a bug, and return its URL."""

    def fail(headers: Mapping[bytes, bytes]) -> object:
        raise RuntimeError(f"{SECRET} {headers}")

    endpoint = GraphQLEndpoint(Engine(create_schema()), context=fail)
    with serve_app(Starlette(routes=[Route("/graphql", endpoint)])) as url:
        yield f"{url}/graphql"


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_a_bug_is_a_500_without_details(accept: str, broken: str, client: httpx.Client) -> None:
    body, headers = {"query": "{ __typename }"}, {"Accept": accept, "Authorization": f"Bearer {SECRET}"}
    for _ in range(2):
        response = client.post(broken, json=body, headers=headers)
        assert response.status_code == 500
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"
        assert response.json() == {
            "errors": [{"message": "Internal server error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]
        }


def test_a_bug_is_logged_with_its_type_and_location_but_not_its_message(
    broken: str, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.post(broken, json={"query": "{ __typename }"}, headers={"Authorization": f"Bearer {SECRET}"})
    (record,) = [record for record in caplog.records if record.name == "gateway.http"]
    assert record.levelname == "ERROR"
    assert "RuntimeError" in record.getMessage()
    assert f"{__file__}:" in record.getMessage()
    assert record.exc_info is None
    assert SECRET not in caplog.text


def test_a_result_that_cannot_be_serialized_is_a_500_and_a_mutation_is_unknown(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    def anything() -> JSON:
        return JSON({SECRET: object()})

    query = type("Query", (), {"anything": strawberry.field(resolver=anything)})
    mutation = type("Mutation", (), {"anything": strawberry.field(resolver=anything)})
    schema = strawberry.Schema(strawberry.type(query), strawberry.type(mutation))
    endpoint = GraphQLEndpoint(Engine(schema), context=lambda headers: headers)
    with serve_app(Starlette(routes=[Route("/graphql", endpoint)])) as url:
        for text, told in (("mutation { anything }", {"outcome": "UNKNOWN"}), ("{ anything }", {})):
            response = client.post(f"{url}/graphql", json={"query": text})
            assert response.status_code == 500
            extensions = {"code": "INTERNAL_SERVER_ERROR", **told}
            assert response.json() == {"errors": [{"message": "Internal server error", "extensions": extensions}]}
    assert SECRET not in caplog.text
    assert "bug=TypeError" in caplog.text


@pytest.fixture
def buggy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Run a gateway in this process with a bug in each of its operations."""

    def bug(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    for name in ("create", "update", "get", "page"):
        monkeypatch.setattr(f"gateway.invitations.client.CallerClient.{name}", bug)
    with running_gateway("http://127.0.0.1:1") as gateway:
        yield gateway


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_bug_in_an_operation_is_an_internal_server_error_without_details(
    buggy: Gateway, operation: Operation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    error = buggy.error(operation.query)

    assert error["message"] == "Internal server error"
    assert set(error["extensions"]) <= {"code", "outcome"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("operation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_the_outcome_of_a_mutation_is_unknown_after_a_bug(buggy: Gateway, operation: Operation) -> None:
    assert buggy.error(operation.query)["extensions"]["outcome"] == "UNKNOWN"


def test_a_bug_before_a_mutation_begins_is_reported_as_not_applied() -> None:
    def fail(headers: Mapping[bytes, bytes]) -> object:
        raise RuntimeError(headers)

    endpoint = GraphQLEndpoint(Engine(create_schema()), context=fail)
    with serve_app(Starlette(routes=[Route("/graphql", endpoint)])) as url:
        for query, told in (("mutation { __typename }", {"outcome": "NOT_APPLIED"}), ("{ __typename }", {})):
            answer = httpx.post(f"{url}/graphql", json={"query": query})
            assert answer.status_code == 500
            assert answer.json()["errors"][0]["extensions"] == {"code": "INTERNAL_SERVER_ERROR", **told}
