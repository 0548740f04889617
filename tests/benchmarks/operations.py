"""The requests to every server, the REST API's responses behind it, and the expected results."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

FIELDS = (
    "id created lastModified inviter invitee trackingId message { invitationTemplateID invitationMessage { body } }"
)
ID = "c6443338-3338-c644-3833-44c6383344c6"
INPUT: dict[str, Any] = {
    "inviter": "urn:li:person:a",
    "invitee": "urn:li:person:b",
    "trackingId": "t",
    "message": {"invitationTemplateID": "t1", "invitationMessage": {"body": "hi"}},
}
SHOWN = {"id": ID, "created": "1484671788434", "lastModified": "1484672192563", **INPUT}
"""The only invitation, as GraphQL shows it."""
STORED = {
    "@odata.type": "#microsoft.graph.InvitationV2",
    **INPUT,
    "id": ID,
    "created": 1484671788434,
    "lastModified": 1484672192563,
    "message": {
        "@odata.type": "microsoft.graph.InvitationV2Message",
        "invitationTemplateID": "t1",
        "invitationMessage": {"@odata.type": "microsoft.graph.InvitationMessage", "body": "hi"},
    },
}
"""The same invitation, as the REST API writes it."""
AUTHORIZATION = "Bearer x"


@dataclass(frozen=True, slots=True)
class Operation:
    """A GraphQL operation, and the `data` that it must return."""

    name: str
    query: str
    data: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The body of the HTTP request."""
        return json.dumps({"query": self.query, "variables": self.variables}, separators=(",", ":")).encode()

    def named(self, name: str) -> "Operation":
        """Return the same operation under another name, so that the document is new to the server."""
        return replace(self, name=name, query=self.query.replace(f" {self.name}", f" {name}", 1))

    def check(self, answer: bytes) -> None:
        """Raise ValueError unless the body of an HTTP response is as expected."""
        if json.loads(answer) != {"data": self.data}:
            raise ValueError(f"{self.name} was answered with {answer[:500]!r}")


def listing(size: int) -> Operation:
    """Return the operation that lists this many invitations."""
    query = f"query QL($first: Int!) {{ invitations(first: $first) {{ nodes {{ {FIELDS} }} }} }}"
    return Operation("QL", query, {"invitations": {"nodes": [SHOWN] * size}}, {"first": size})


M = Operation(
    "M",
    f"mutation M($input: CreateInvitationInput!) {{ createInvitation(input: $input) {{ {FIELDS} }} }}",
    {"createInvitation": SHOWN},
    {"input": INPUT},
)
Q1 = Operation("Q1", f"query Q1($id: ID!) {{ invitation(id: $id) {{ {FIELDS} }} }}", {"invitation": SHOWN}, {"id": ID})
C = Operation(
    "C",
    "query C($id: ID!, $x: Boolean!, $y: Boolean!) { invitation(id: $id) { "
    + FIELDS.replace("created", "created @include(if: $x)").replace("trackingId", "trackingId @skip(if: $y)")
    + " } }",
    Q1.data,
    {"id": ID, "x": True, "y": False},
)
"""Q1 with conditions, as frontends write them."""
QL = listing(20)
OPERATIONS = (M, Q1, QL)
