"""One GraphQL operation for each root field, to test against any behaviour of the REST API."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    query: str
    method: str
    """The method of its REST request."""
    is_mutation: bool
    success: int
    """The REST status that Microsoft's pages document."""
    variables: Any = None

    def __str__(self) -> str:
        return self.query.split()[1].partition("(")[0].strip("{")


CREATE = Operation(
    'mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id } }',
    "POST",
    is_mutation=True,
    success=201,
)
UPDATE = Operation(
    'mutation { updateInvitation(input: {id: "1", inviter: "a"}) { id } }', "PATCH", is_mutation=True, success=200
)
GET = Operation('query { invitation(id: "1") { id } }', "GET", is_mutation=False, success=200)
LIST = Operation("query { invitations { nodes { id } } }", "GET", is_mutation=False, success=200)

OPERATIONS = {"create": CREATE, "update": UPDATE, "get": GET, "list": LIST}
MUTATIONS = {"create": CREATE, "update": UPDATE}
QUERIES = {"get": GET, "list": LIST}
OBJECTS = {"create": CREATE, "update": UPDATE, "get": GET}
"""The operations that return a single invitation."""
