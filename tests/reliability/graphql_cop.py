"""Run the checks of the scanner "GraphQL Cop" against a gateway (written from its list; the PyPI package is empty).

    python -m reliability.graphql_cop [URL]

Without a URL, runs a gateway of its own. Prints each check, whether it found something, and the reason.
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
    """An endpoint, and ways to query it."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url

    def post(self, content: object) -> Any:
        """Send JSON, and return the response's content."""
        return self._client.post(self._url, json=content).json()

    def runs(self, query: str) -> bool:
        """Return whether a query runs without an error."""
        return self._ran(self.post({"query": query}))

    def form(self, query: str) -> bool:
        """Return whether a query from an HTML form runs."""
        return self._ran(self._client.post(self._url, data={"query": query}).json())

    def get(self, query: str) -> bool:
        """Return whether a query in the URL runs."""
        return self._ran(self._client.get(self._url, params={"query": query}).json())

    def page(self) -> str:
        """Return what a browser would show."""
        return self._client.get(self._url, headers={"Accept": "text/html"}).text.lower()

    @staticmethod
    def _ran(content: Any) -> bool:
        return isinstance(content, dict) and "data" in content and not content.get("errors")


@dataclass(frozen=True, slots=True)
class Check:
    """A check, and the reason if a finding is by design."""

    name: str
    found: Callable[[Target], bool]
    reason: str = ""


CHECKS = (
    Check(
        "introspection",
        lambda it: it.runs("{ __schema { types { name } } }"),
        "the API is public, and tools need it; GATEWAY_INTROSPECTION=false turns it off",
    ),
    Check(
        "GraphiQL",
        lambda it: "graphiql" in it.page(),
        "users need it, and it has no secrets; GATEWAY_PLAYGROUND=false turns it off",
    ),
    Check(
        "field suggestions",
        lambda it: "Did you mean" in str(it.post({"query": "{ __schema { directive } }"})),
        "introspection shows the same; GATEWAY_INTROSPECTION=false also turns them off",
    ),
    Check(
        "queries by GET",
        lambda it: it.get("{ __typename }"),
        "GraphQL over HTTP allows them, and other sites cannot forge a read that needs a bearer token in a header",
    ),
    Check("mutations by GET", lambda it: it.get("mutation { __typename }")),
    Check("queries from an HTML form", lambda it: it.form("{ __typename }")),
    Check("mutations from an HTML form", lambda it: it.form("mutation { __typename }")),
    Check("100 aliases", lambda it: it.runs("{ " + " ".join(f"a{n}: __typename" for n in range(101)) + " }")),
    Check("a batch of 10", lambda it: isinstance(it.post([{"query": "{ __typename }"}] * 10), list)),
    Check("one field 500 times", lambda it: it.runs("{ " + "__typename " * 500 + "}")),
    Check("10 directives", lambda it: len(it.post({"query": "{ __typename " + "@aa" * 10 + "}"})["errors"]) == 10),
    Check("100 directives", lambda it: it.runs("{ __typename " + "@include(if: true) " * 100 + "}")),
    Check("circular introspection", lambda it: it.runs(CIRCLE)),
    Check("circular fragments", lambda it: it.runs(FRAGMENTS)),
    Check("tracing", lambda it: "tracing" in str(it.post({"query": "{ __typename }"})).lower()),
    Check("unhandled errors", lambda it: "exception" in str(it.post({"query": "qwerty cop { abc }"})).lower()),
)


def findings(url: str) -> dict[str, bool]:
    """Run all checks, and return whether each found something."""
    with httpx.Client(timeout=LIMIT, trust_env=False, headers={"Authorization": "Bearer token-of-the-test"}) as client:
        return {check.name: check.found(Target(client, url)) for check in CHECKS}


def main() -> int:
    """Print the findings; return 1 if any of them is not by design."""
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
