"""The Python client that ariadne-codegen generates. It needs an older graphql-core than the gateway."""

import json
import os
from pathlib import Path

import pytest
from support.environment import python_with, run
from support.gateway import gateway_before_sandbox

from gateway.schema import create_schema

CONFIGURATION = """
[tool.ariadne-codegen]
schema_path = "schema.graphql"
queries_path = "documents.graphql"
target_package_name = "generated"
async_client = false

[tool.ariadne-codegen.scalars.Int64]
type = "str"
"""
DOCUMENTS = """
mutation Create($input: CreateInvitationInput!, $key: String) {
  createInvitation(input: $input, idempotencyKey: $key) { id created invitee }
}
mutation CreateAll($inputs: [CreateInvitationInput!]!, $key: String) {
  createInvitations(inputs: $inputs, idempotencyKey: $key) {
    results { index invitation { id } error { code outcome retryAfter } }
  }
}
query Read($id: ID!) { invitation(id: $id) { id created invitee } }
"""
JOURNEY = """
import json
import sys

from generated import Client, CreateInvitationInput, ErrorCode, InvitationV2MessageInput, Outcome

def invitation(invitee):
    message = InvitationV2MessageInput()
    return CreateInvitationInput(created="9007199254740993", inviter="a", invitee=invitee, message=message)

client = Client(url=sys.argv[1], headers={"Authorization": "Bearer token-of-the-test"})
key = "key-of-the-ariadne-test"
created = client.create(invitation("b"), key).create_invitation
again = client.create(invitation("b"), key).create_invitation
first, second = client.create_all([invitation("c"), invitation("urn:li:sandbox:forbidden")]).create_invitations.results
print(json.dumps({
    "same": created == again,
    "read": client.read(created.id).invitation.model_dump(),
    "created": created.model_dump(),
    "indexes": [first.index, second.index],
    "errors": [first.error, second.error.code is ErrorCode.FORBIDDEN, second.error.outcome is Outcome.NOT_APPLIED],
}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python with ariadne-codegen, for which the gateway's own versions do not count."""
    folder = tmp_path_factory.mktemp("ariadne")
    return python_with(folder, "ariadne-codegen==0.19.0", PIP_CONSTRAINT=os.devnull)


def test_a_generated_client_creates_reads_and_gets_errors_as_enums(python: Path, tmp_path: Path) -> None:
    files = {
        "pyproject.toml": CONFIGURATION,
        "documents.graphql": DOCUMENTS,
        "schema.graphql": create_schema().as_str(),
        "journey.py": JOURNEY,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    generated = run([python.parent / "ariadne-codegen"], tmp_path)
    assert generated.returncode == 0, generated.stderr
    with gateway_before_sandbox(IDEMPOTENCY_STORE=f"sqlite:///{tmp_path}/keys.db") as gateway:
        done = run([python, "journey.py", f"{gateway.url}/graphql"], tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["read"] == told["created"]
    assert (told["created"]["created"], told["created"]["invitee"]) == ("9007199254740993", "b")
    assert told["same"] is True
    assert told["indexes"] == [0, 1]
    assert told["errors"] == [None, True, True]
