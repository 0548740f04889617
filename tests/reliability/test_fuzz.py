"""Five thousand generated cases, the same each time; `python -m reliability.fuzz` runs more, and different ones."""

import os

import pytest
from reliability.fuzz import KINDS, fuzz

CASES = int(os.environ.get("FUZZ_CASES", "5000"))
EXPECTED = {
    "raw": {"nothing", "200", "400", "404"},
    "http": {"200", "400", "404", "405", "415"},
    "graphql": {"no error", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST", "BAD_USER_INPUT"},
    "hidden": {"no error", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST", "BAD_USER_INPUT"},
    "values": {"no error", "BAD_USER_INPUT", "GET", "POST", "PATCH"},
    "upstream": {
        *("no error", "read again", "UPSTREAM_ERROR", "UPSTREAM_INVALID_RESPONSE", "UPSTREAM_TIMEOUT"),
        *("UPSTREAM_UNAVAILABLE", "RATE_LIMITED", "BAD_USER_INPUT", "UNAUTHENTICATED", "CONFLICT"),
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_generated_case_breaks_the_gateway(kind: str) -> None:
    counted = fuzz(kind, -(-CASES // len(KINDS)), derandomize=True)
    assert set(counted) >= EXPECTED[kind], counted
    assert counted["different"] > counted["cases"] / 2
