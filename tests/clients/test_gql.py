"""The Python client gql, with each of its httpx and aiohttp transports."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from gql.utilities import update_schema_scalar
from graphql import GraphQLError, GraphQLScalarType
from support.gateway import GatewayProcess
from support.waiting import LIMIT

from gateway.sandbox.seed import invitations as seeded_invitations

pytestmark = pytest.mark.quick

AUTHORIZATION = {"Authorization": "Bearer token-of-the-test"}
TRANSPORTS: dict[str, Callable[[str], Any]] = {
    "httpx": lambda url: HTTPXTransport(url, headers=AUTHORIZATION, timeout=LIMIT, trust_env=False),
    "httpx async": lambda url: HTTPXAsyncTransport(url, headers=AUTHORIZATION, timeout=LIMIT, trust_env=False),
    "aiohttp": lambda url: AIOHTTPTransport(url, headers=AUTHORIZATION, timeout=int(LIMIT)),
}

PROPERTIES = """
    fragment Properties on InvitationV2 {
      id created createdAt lastModified inviter invitee trackingId
      message { invitationTemplateID invitationMessage { body } }
    }
"""
CREATE = gql(
    "mutation Create($input: CreateInvitationInput!) { createInvitation(input: $input) { ...Properties } }" + PROPERTIES
)
CREATE_ALL = gql("""
    mutation CreateAll($inputs: [CreateInvitationInput!]!) {
      createInvitations(inputs: $inputs) { results { index invitation { id } error { code outcome retryAfter } } }
    }
""")
UPDATE = gql(
    "mutation Update($input: UpdateInvitationInput!) { updateInvitation(input: $input) { ...Properties } }" + PROPERTIES
)
READ = gql("query Read($id: ID!) { invitation(id: $id) { ...Properties } }" + PROPERTIES)
PAGE = gql("""
    query Page($after: String) {
      invitations(first: 10, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
    }
""")
NEW = {
    "created": "1484671788434",
    "lastModified": "9007199254740993",
    "inviter": "urn:li:person:inviter",
    "invitee": "urn:li:email:invitee@example.com",
    "trackingId": "tracking",
    "message": {"invitationTemplateID": "template", "invitationMessage": {"body": "Grüezi 🙂"}},
}


@pytest.fixture(scope="module", autouse=True)
def _event_loop() -> Iterator[None]:
    """Provide an event loop: gql never closes one that it creates itself."""
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        yield
        asyncio.set_event_loop(None)


@pytest.fixture(params=TRANSPORTS)
def client(request: pytest.FixtureRequest, gateway: GatewayProcess) -> Client:
    return Client(transport=TRANSPORTS[request.param](f"{gateway.url}/graphql"), execute_timeout=LIMIT)


@pytest.fixture
def introspecting(client: Client) -> Client:
    """Return a client that fetches the schema first, and uses it to check documents and convert scalars."""
    client.fetch_schema_from_transport = True
    return client


def run(client: Client, document: Any, **variables: object) -> Any:
    document.variable_values = variables
    return client.execute(document)


def refused(client: Client, document: Any, **variables: object) -> dict[str, Any]:
    """Run an operation that must fail, and return the only error that gql shows."""
    with pytest.raises(TransportQueryError) as raised:
        run(client, document, **variables)
    assert raised.value.errors
    (error,) = raised.value.errors
    return dict(error)


def test_gql_creates_an_invitation(client: Client) -> None:
    created = run(client, CREATE, input=NEW)["createInvitation"]
    assert created == {**NEW, "id": created["id"], "createdAt": "2017-01-17T16:49:48.434Z"}


def test_gql_creates_several_at_once(introspecting: Client) -> None:
    inputs = [NEW, {**NEW, "invitee": "urn:li:sandbox:forbidden"}]
    first, second = run(introspecting, CREATE_ALL, inputs=inputs)["createInvitations"]["results"]
    assert first == {"index": 0, "invitation": {"id": first["invitation"]["id"]}, "error": None}
    error = {"code": "FORBIDDEN", "outcome": "NOT_APPLIED", "retryAfter": None}
    assert second == {"index": 1, "invitation": None, "error": error}


def test_gql_reads_what_it_created(client: Client) -> None:
    created = run(client, CREATE, input=NEW)["createInvitation"]
    assert run(client, READ, id=created["id"])["invitation"] == created


def test_gql_clears_properties_with_null(client: Client) -> None:
    created = run(client, CREATE, input=NEW)["createInvitation"]
    changes = {"id": created["id"], "trackingId": None, "message": {"invitationTemplateID": None}}
    updated = {
        **created,
        "trackingId": None,
        "message": {"invitationTemplateID": None, "invitationMessage": {"body": "Grüezi 🙂"}},
    }
    assert run(client, UPDATE, input=changes)["updateInvitation"] == updated
    assert run(client, READ, id=created["id"])["invitation"] == updated


def test_gql_pages_to_the_end(client: Client) -> None:
    pages: list[list[str]] = []
    after = None
    while len(pages) < 20:
        found = run(client, PAGE, after=after)["invitations"]
        pages.append([node["id"] for node in found["nodes"]])
        if not found["pageInfo"]["hasNextPage"]:
            break
        after = found["pageInfo"]["endCursor"]
    ids = [each for page in pages for each in page]
    assert [len(page) for page in pages[:-1]] == [10] * (len(pages) - 1)
    assert ids[:48] == [invitation.id for invitation in seeded_invitations()]
    assert len(set(ids)) == len(ids)


def test_gql_shows_a_validation_error(client: Client) -> None:
    error = refused(client, gql("{ invitation(id: 1) { sender } }"))
    assert "sender" in error["message"]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_gql_shows_an_error_in_variables(client: Client) -> None:
    error = refused(client, CREATE, input={**NEW, "created": 1.5})
    assert "Int64" in error["message"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "outcome": "NOT_APPLIED"}


def test_gql_shows_an_upstream_error(client: Client) -> None:
    error = refused(client, CREATE, input={**NEW, "invitee": "urn:li:sandbox:forbidden"})
    assert error["path"] == ["createInvitation"]
    extensions = {name: error["extensions"].get(name) for name in ("code", "status", "upstreamCode", "outcome")}
    assert extensions == {
        "code": "FORBIDDEN",
        "status": 403,
        "upstreamCode": "Forbidden",
        "outcome": "NOT_APPLIED",
    }


def test_gql_finds_a_validation_error_with_the_fetched_schema(introspecting: Client) -> None:
    with pytest.raises(GraphQLError, match="Cannot query field 'sender' on type 'InvitationV2'"):
        run(introspecting, gql("{ invitation(id: 1) { sender } }"))


def test_gql_converts_custom_scalars_with_the_fetched_schema(introspecting: Client) -> None:
    # The first request fetches the schema
    run(introspecting, PAGE)
    assert introspecting.schema
    for name, from_json, to_json in (("Int64", int, str), ("DateTime", datetime.fromisoformat, None)):
        scalar = GraphQLScalarType(name, coerce_input_value=from_json, coerce_output_value=to_json)
        update_schema_scalar(introspecting.schema, name, scalar)
    introspecting.parse_results = introspecting.serialize_variables = True
    numbers = {"created": 1484671788434, "lastModified": 2**63 - 1}
    created = run(introspecting, CREATE, input={**NEW, **numbers})["createInvitation"]
    assert created.items() >= numbers.items()
    assert created["createdAt"] == datetime(2017, 1, 17, 16, 49, 48, 434_000, UTC)
