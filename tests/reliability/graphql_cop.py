"""Ask a gateway what the scanner "GraphQL Cop" asks (its list of detections; what PyPI has by that name is empty).

    python -m reliability.graphql_cop [URL]

Without a URL it runs a gateway of its own. Prints each check, whether it found something, and why that is so.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from support.gateway import gateway_before_sandbox
from support.waiting import LIMIT

CIRCLE = "{ __schema { types " + "{ fields { type " * 4 + "{ name }" + " } }" * 4 + " } }"
FRAGMENTS = "{ __schema { ...A } } fragment A on __Schema { __typename ...B } fragment B on __Schema { ...A }"


class Target:
    """An endpoint, and ways to ask it."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url

    def post(self, content: object) -> Any:
        """Send JSON, and give the answer's content."""
        return self._client.post(self._url, json=content).json()

    def runs(self, query: str) -> bool:
        """Say whether a query is run without an error."""
        return self._ran(self.post({"query": query}))

    def form(self, query: str) -> bool:
        """Say whether a query is run that comes from an HTML form."""
        return self._ran(self._client.post(self._url, data={"query": query}).json())

    def get(self, query: str) -> bool:
        """Say whether a query is run that stands in the URL."""
        return self._ran(self._client.get(self._url, params={"query": query}).json())

    def page(self) -> str:
        """Give what a browser is shown."""
        return self._client.get(self._url, headers={"Accept": "text/html"}).text.lower()

    @staticmethod
    def _ran(content: Any) -> bool:
        return isinstance(content, dict) and "data" in content and not content.get("errors")


@dataclass(frozen=True, slots=True)
class Check:
    """What is looked for, and for what is found by design: why."""

    name: str
    found: Callable[[Target], bool]
    reason: str = ""


CHECKS = (
    Check(
        "introspection",
        lambda it: it.runs("{ __schema { types { name } } }"),
        "the API is public, and its tools need it; GATEWAY_INTROSPECTION=false turns it off",
    ),
    Check(
        "GraphiQL",
        lambda it: "graphiql" in it.page(),
        "people need it, and it holds no secret; GATEWAY_PLAYGROUND=false turns it off",
    ),
    Check(
        "field suggestions",
        lambda it: "Did you mean" in str(it.post({"query": "{ __schema { directive } }"})),
        "they tell what introspection tells; GATEWAY_INTROSPECTION=false turns them off as well",
    ),
    Check(
        "queries by GET",
        lambda it: it.get("{ __typename }"),
        "GraphQL over HTTP has them, and a read that needs a bearer token in a header cannot be forged across sites",
    ),
    Check("mutations by GET", lambda it: it.get("mutation { __typename }")),
    Check("queries from an HTML form", lambda it: it.form("{ __typename }")),
    Check("mutations from an HTML form", lambda it: it.form("mutation { __typename }")),
    Check("100 aliases", lambda it: it.runs("{ " + " ".join(f"a{n}: __typename" for n in range(101)) + " }")),
    Check("a batch of 10", lambda it: isinstance(it.post([{"query": "{ __typename }"}] * 10), list)),
    Check("one field 500 times", lambda it: it.runs("{ " + "__typename " * 500 + "}")),
    Check("10 directives", lambda it: len(it.post({"query": "{ __typename " + "@aa" * 10 + "}"})["errors"]) == 10),
    Check("100 directives", lambda it: it.runs("{ __typename " + "@include(if: true) " * 100 + "}")),
    Check("introspection in circles", lambda it: it.runs(CIRCLE)),
    Check("fragments in circles", lambda it: it.runs(FRAGMENTS)),
    Check("tracing", lambda it: "tracing" in str(it.post({"query": "{ __typename }"})).lower()),
    Check(
        "errors that nobody handled", lambda it: "exception" in str(it.post({"query": "qwerty cop { abc }"})).lower()
    ),
)


def findings(url: str) -> dict[str, bool]:
    """Run all checks."""
    with httpx.Client(timeout=LIMIT, trust_env=False, headers={"Authorization": "Bearer token-of-the-test"}) as client:
        return {check.name: check.found(Target(client, url)) for check in CHECKS}


def main() -> int:
    """Print what is found; the exit status tells whether something is that should not be."""
    if len(sys.argv) > 1:
        found = findings(sys.argv[1])
    else:
        with gateway_before_sandbox() as gateway:
            found = findings(f"{gateway.url}/graphql")
    for check in CHECKS:
        print(f"{check.name:32} {'found: ' + (check.reason or 'WRONG') if found[check.name] else 'no'}")
    return any(found[check.name] and not check.reason for check in CHECKS)


if __name__ == "__main__":
    sys.exit(main())
