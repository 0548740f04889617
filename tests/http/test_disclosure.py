"""What no response reveals."""

import re
from pathlib import Path

from reliability.hostile import AUTHORIZATION, client
from support.gateway import GatewayProcess, gateway_before_sandbox
from support.raw_http import RawConnection, request

TYPENAME = b'{"query":"{ __typename }"}'


def test_no_response_names_the_server_software(gateway: GatewayProcess) -> None:
    with RawConnection(gateway.port) as connection:
        assert connection.ask(request(TYPENAME)).header("server") is None
        assert connection.ask(request(b"1")).header("server") is None


SUGGESTING = [
    "{ invitatio }",
    "{ invitation(idd: 1) { id } }",
    "{ invitation { id } }",
    "{ invitation(id: 1) }",
    "{ invitation(id: 1) { inviteee } }",
    "{ invitations { edge { cursor } } }",
    "query ($v: CreateInvitation) { __typename }",
    "mutation { createInvitatio }",
    "mutation { createInvitation }",
    "mutation { createInvitation(input: {}) { id } }",
    "mutation { createInvitation(input: {inviter: 1, invite: 2}) { id } }",
    'mutation { updateInvitation(input: {id: "1"}) { id } }',
    "{ ... on InvitationV { id } }",
    '{ invitations(after: "x") { nodes { id } } }',
    "{ invitations(first: 0) { nodes { id } } }",
    "{ __schema { types { name } } }",
    '{ __type(name: "Query") { fields { name } } }',
]


def test_without_introspection_no_response_has_a_name_that_the_client_did_not_send() -> None:
    schema = Path(__file__).parents[2].joinpath("schema.graphql").read_text(encoding="utf-8")
    without_descriptions = re.sub(r'"""[\s\S]*?"""|"[^"\n]*"', "", schema)
    names = {name for name in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", without_descriptions) if re.search("[A-Z]", name)}
    assert {"createInvitation", "InvitationV2", "endCursor", "invitationTemplateID"} <= names
    names -= {"String", "Int", "Boolean", "ID"}
    with gateway_before_sandbox(INTROSPECTION="false") as gateway, client(gateway) as asking:
        for query in SUGGESTING:
            for _ in range(3):
                answer = asking.run(query)
                assert answer.json()["errors"]
                for error in answer.json()["errors"]:
                    told = set(re.findall(r"\w+", error["message"])) & names
                    assert told <= set(re.findall(r"\w+", query)), error
                    assert "Did you mean" not in error["message"]


def test_no_response_has_a_server_header(gateway: GatewayProcess) -> None:
    targets = (b"/graphql", b"/healthz", b"/graphiql/x/page.js", b"/nothing", b"/graphql?query={x}", b"bad")
    for target in targets:
        with RawConnection(gateway.port) as connection:
            answer = connection.ask(request(None, AUTHORIZATION, b"Connection: close", method=b"GET", target=target))
            assert answer.header("server") is None
