"""Send requests to a running gateway that are meant to be expensive, and measure their cost.

    python -m reliability.hostile [DOCUMENTS]

Prints the response to each hostile request and the time it took, and the memory that two thousand large, refused
requests leave behind. Then floods the gateway with DOCUMENTS different documents (default: 100,000), and prints the
memory of its process before, during and after that.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.gateway import GatewayProcess, gateway_before_sandbox
from support.raw_http import Answer, RawConnection, request

AUTHORIZATION = b"Authorization: Bearer token-of-the-test"
ACCEPT = b"Accept: application/graphql-response+json"
HOT = "{ invitations(first: 3) { nodes { id inviter invitee created createdAt } pageInfo { endCursor } } }"
CREATE = "mutation ($v: CreateInvitationInput!) { createInvitation(input: $v) { id } }"
INVITATION = {"inviter": "a", "invitee": "b", "message": {}}


@dataclass(frozen=True, slots=True)
class Hostile:
    """A GraphQL request that must be refused, and the limit that the error names."""

    query: str
    names: str
    """A pattern for the message: the limit and its value."""
    variables: object = None
    status: int = 400

    def request(self) -> bytes:
        """Return its bytes."""
        body = json.dumps({"query": self.query, "variables": self.variables}).encode()
        return request(body, ACCEPT, AUTHORIZATION)


def fragment_bomb(levels: int, *, backwards: bool = False) -> str:
    """Return a document with 2^levels fields."""
    fragments = [f"fragment F{n} on InvitationV2 {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    fragments.append(f"fragment F{levels} on InvitationV2 {{ id }}")
    return '{ invitation(id: "1") { ...F0 } } ' + " ".join(reversed(fragments) if backwards else fragments)


def nested(levels: int) -> object:
    """Return a value with nested objects."""
    value: object = "x"
    for _ in range(levels):
        value = {"message": value}
    return value


LONG_NUMBER = r"number that is too long: at most 100 characters"
TOO_DEEP = r"nested too deeply: at most 20 levels"
HOSTILE: dict[str, Hostile] = {
    "fragments, 2^30 fields": Hostile(fragment_bomb(30), "fields, with its fragments expanded: at most 500"),
    "the same backwards": Hostile(fragment_bomb(30, backwards=True), "fragments expanded: at most 500"),
    "circular fragments": Hostile(
        "{ invitation(id: 1) { ...A } } fragment A on InvitationV2 { ...B } fragment B on InvitationV2 { ...A }",
        "Cannot spread fragment 'A' within itself",
    ),
    "a chain of 180 fragments": Hostile(
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(180))
        + " fragment F180 on Query { __typename }",
        "levels of selection sets: at most 40",
    ),
    "100 aliases": Hostile(
        "{ invitation(id: 1) { " + " ".join(f"a{n}: id" for n in range(100)) + " } }", "aliases.*: at most 50"
    ),
    "150 root fields": Hostile(
        "{ " + " ".join(f"a{n}: invitation(id: {n}) {{ id }}" for n in range(150)) + " }", "root fields: at most 20"
    ),
    "60 mutations": Hostile(
        "mutation { "
        + " ".join(f'a{n}: updateInvitation(input: {{id: "1", inviter: "a"}}) {{ id }}' for n in range(60))
        + " }",
        "root fields: at most 20",
    ),
    "100 directives": Hostile("{ __typename " + "@skip(if: false) " * 100 + "}", "directives: at most 50"),
    "300 directives that do not exist": Hostile("{ __typename " + "@aa " * 300 + "}", "directives: at most 50"),
    "directives on variables": Hostile(
        "query (" + " ".join(f"$a{n}: Int @x" for n in range(60)) + ") { __typename }", "directives: at most 50"
    ),
    "1,000 times one field": Hostile("{ " + "__typename " * 1000 + "}", r"fields, with its fragments.*: at most 500"),
    "fields to compare with each other": Hostile(
        "{ invitations { nodes { " + "... { message { invitationTemplateID } } " * 150 + "} } }",
        "at most 50000 steps",
    ),
    "40 levels of fields": Hostile("{" + "a {" * 40 + " a " + "}" * 41, "levels of .*: at most (12|40)"),
    "100 inline fragments in each other": Hostile(
        "{" + "... {" * 100 + " __typename " + "}" * 101, "levels of selection sets: at most 40"
    ),
    "introspection in circles": Hostile(
        "{ __schema { types " + "{ fields { type " * 5 + "{ name }" + " } }" * 5 + " } }",
        "Maximum introspection depth exceeded",
    ),
    "3,000 tokens": Hostile("{ " + "a " * 3000 + "}", "more than 2000 tokens"),
    "a list of 3,000 items": Hostile(f"{{ invitation(id: [{'1 ' * 3000}]) {{ id }} }}", "more than 2000 tokens"),
    "an Int of 5,000 digits": Hostile(f"{{ invitations(first: {'9' * 5000}) {{ nodes {{ id }} }} }}", LONG_NUMBER),
    "an Int of -5,000 digits": Hostile(f"{{ invitations(first: -{'9' * 5000}) {{ nodes {{ id }} }} }}", LONG_NUMBER),
    "an id of 5,000 digits": Hostile(f"{{ invitation(id: {'9' * 5000}) {{ id }} }}", LONG_NUMBER),
    "a Float of 5,000 digits": Hostile(f"{{ invitation(id: 1.{'9' * 5000}) {{ id }} }}", LONG_NUMBER),
    "a default of 5,000 digits": Hostile(f"query ($n: Int = {'9' * 5000}) {{ __typename }}", LONG_NUMBER),
    "a name of 40,000 letters": Hostile(f"{{ {'a' * 40_000} }}", "Cannot query field 'a+$"),
    "900,000 characters": Hostile("{ __typename } #" + "x" * 900_000, "too long: at most 50000 characters"),
    "900,000 brackets": Hostile("{" * 900_000, "too long: at most 50000 characters"),
    "49,000 brackets": Hostile("{" * 49_000, r"more than 2000 tokens|nested too deeply|Expected Name"),
    "1,000,001 bytes": Hostile("{ __typename } #" + "x" * 1_000_000, "at most|1000000 bytes", status=413),
    "1,500 variables": Hostile(CREATE, "too many values: at most 1500", {f"v{n}": n for n in range(1501)}),
    "50,000 keys": Hostile(CREATE, "too many values: at most 1500", {"v": {str(n): 0 for n in range(50_000)}}),
    "a list of 100,000": Hostile(CREATE, "list in the variables is too long: at most 100", {"v": [0] * 100_000}),
    "lists of lists": Hostile(CREATE, "too many values: at most 1500", {"v": [[0] * 100] * 20}),
    "21 objects in each other": Hostile(CREATE, TOO_DEEP, {"v": nested(21)}),
    "300 objects in each other": Hostile(CREATE, TOO_DEEP, {"v": nested(300)}),
    "an Int of 4,000 digits in the variables": Hostile(
        "query ($v: Int) { invitations(first: $v) { nodes { id } } }",
        r"Int cannot represent non 32-bit signed integer value",
        {"v": 10**3999},
    ),
    "900 strings, all wrong": Hostile(
        CREATE, "to include required field 'inviter'", {"v": {f"wrong{n}": f"{n:0900}" for n in range(900)}}
    ),
    "a wrong string of 900,000": Hostile(
        "query ($v: Int) { invitations(first: $v) { nodes { id } } }", "Int cannot represent", {"v": "x" * 900_000}
    ),
    "100 strings of 9,000, all wrong": Hostile(
        CREATE, "cannot represent|Expected", {"v": {**INVITATION, "inviter": ["y" * 9000 + str(n) for n in range(99)]}}
    ),
}
DEPTHS = (50, 100, 150, 200, 250, 300, 330, 400, 500, 700, 900)
DEEP: dict[str, str] = {
    "lists": '{{ invitation(id: {0}"1"{1}) {{ id }} }}',
    "lists for an input": "mutation {{ createInvitation(input: {0}1{1}) {{ id }} }}",
    "lists in the default of a variable": "query ($v: ID = {0}1{1}) {{ __typename }}",
    "a variable's type": "query ($v: {0}Int{1}) {{ __typename }}",
    "lists for an argument that is not there": "{{ __typename(no: {0}1{1}) }}",
    "lists in a directive": "{{ __typename @skip(if: {0}1{1}) }}",
    "objects": "mutation {{ createInvitation(input: {2}1{3}) {{ id }} }}",
    "objects in the default of a variable": "query ($v: CreateInvitationInput = {2}1{3}) {{ __typename }}",
}


def deep(form: str, levels: int) -> str:
    """Fill a template with this many nested lists or objects."""
    return form.format("[" * levels, "]" * levels, "{a:" * levels, "}" * levels)


class Client:
    """A connection to a gateway."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def ask(self, data: bytes) -> Answer:
        """Send a request's bytes, and return the response."""
        return self._connection.ask(data)

    def run(self, query: str, variables: object = None) -> Answer:
        """Run a GraphQL request."""
        return self.ask(Hostile(query, "", variables).request())


@contextmanager
def client(gateway: GatewayProcess) -> Iterator[Client]:
    """Connect to a gateway."""
    with RawConnection(gateway.port) as connection:
        yield Client(connection)


def document(number: int, fields: int = 1) -> str:
    """Return a unique document of one of four kinds: two run, one lacks its variable, one is refused."""
    return (
        f"{{ a{number}: __typename }}",
        f"query A{number}($v: ID!) {{ invitation(id: $v) {{ {'id ' * fields} }} }}",
        f"{HOT} # {number}",
        f"{{ no{number} }}",
    )[number % 4]


def flood(client: Client, documents: int, *, fields: int = 1, start: int = 0) -> None:
    """Send this many different documents, every second one twice as if it were in use."""
    for number in range(start, start + documents):
        for _ in range(1 + number % 2):
            assert client.run(document(number, fields)).status in {200, 400}


def refused_flood(number: int) -> Iterator[bytes]:
    """Yield this many requests of each of four kinds, all different and refused, each large in its own way."""
    for query, name in (
        ("{ noN } #" + "x" * 49_000, None),
        ("{ " + "no " * 480 + "} # N", None),
        ("{ aN: __typename no }", "x" * 999),
        ("{ noN }", "x" * 990_000),
    ):
        for count in range(number):
            members = {"query": query.replace("N", str(count)), "operationName": name and f"{count}{name}"}
            yield request(json.dumps(members).encode(), ACCEPT)


def main() -> None:
    """Print the tables."""
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with gateway_before_sandbox() as gateway, client(gateway) as asking:
        asking.run("{ __typename }")
        for name, hostile in HOSTILE.items():
            started = time.perf_counter()
            answer = asking.ask(hostile.request())
            spent = (time.perf_counter() - started) * 1000
            print(f"{name:40} {answer.status} {spent:7.1f} ms  {answer.json()['errors'][0]['message'][:90]}")
        before = gateway.resident()
        for data in refused_flood(500):
            asking.ask(data)
        print(f"2,000 large, refused requests leave {gateway.resident() - before:.0f} MB", flush=True)
        print(f"memory before the flood: {gateway.resident():.0f} MB", flush=True)
        for part in range(5):
            flood(asking, documents // 5, start=part * (documents // 5))
            print(
                f"after {(part + 1) * (documents // 5):,} different documents: {gateway.resident():.0f} MB", flush=True
            )
        flood(asking, 4_000, fields=200, start=documents)
        print(f"after 4,000 more, a quarter of them with 200 fields: {gateway.resident():.0f} MB")


if __name__ == "__main__":
    main()
