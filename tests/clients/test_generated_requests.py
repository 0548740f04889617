"""Requests that hypothesis-graphql and schemathesis generate from the schema find no bugs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients.schemathesis_hooks import INT64
from hypothesis import HealthCheck, given, settings
from hypothesis_graphql import Mode, from_schema
from support.gateway import GatewayProcess
from support.waiting import LIMIT

from gateway.schema import create_schema

AUTHORIZATION = "Bearer token-of-the-test"

EXAMPLES = os.environ.get("GENERATED_REQUESTS")
"""The number of random requests in each test; if unset, the same few are sent each time."""
COUNT = int(EXAMPLES or 150)

bounded = settings(
    max_examples=COUNT,
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# Every code that the sandbox returns for a valid request that provokes no error
REFUSALS_OF_VALID_REQUESTS = {"BAD_USER_INPUT", "NOT_FOUND", "CONFLICT"}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"Authorization": AUTHORIZATION}, timeout=LIMIT, trust_env=False) as client:
        yield client


def codes(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", ())}


def test_a_valid_document_is_executed(gateway: GatewayProcess, client: httpx.Client) -> None:
    fulfilled: set[str] = set()

    @bounded
    @given(from_schema(create_schema().as_str(), custom_scalars={"Int64": INT64}))
    def check(document: str) -> None:
        response = client.post(f"{gateway.url}/graphql", json={"query": document})
        assert response.status_code == 200, response.text
        answer = response.json()
        assert codes(answer) <= REFUSALS_OF_VALID_REQUESTS, answer
        fulfilled.update(field for field, value in answer["data"].items() if value)

    check()
    # The other two fields need an existing id, which cannot be guessed
    assert fulfilled >= {"createInvitation", "invitations"}


def test_an_invalid_document_is_refused(gateway: GatewayProcess, client: httpx.Client) -> None:
    @bounded
    @given(from_schema(create_schema().as_str(), custom_scalars={"Int64": INT64}, mode=Mode.NEGATIVE))
    def check(document: str) -> None:
        response = client.post(f"{gateway.url}/graphql", json={"query": document})
        assert response.status_code == 200, response.text
        answer = response.json()
        assert "data" not in answer
        assert codes(answer) == {"GRAPHQL_VALIDATION_FAILED"}, answer

    check()


def test_schemathesis_finds_no_bugs(gateway: GatewayProcess, tmp_path: Path) -> None:
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/graphql"),
            *("--header", f"Authorization: {AUTHORIZATION}"),
            *("--checks", "no_bug_of_ours,response_schema_conformance"),
            *("--max-examples", str(COUNT)),
            *(["--generation-deterministic"] if EXAMPLES is None else []),
        ],
        # It writes its state to the current folder
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
            "SCHEMATHESIS_HOOKS": "clients.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        timeout=10 * LIMIT * max(1, COUNT // 100),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 selected / 5 total" in done.stdout
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated
    assert int(generated[1]) >= COUNT


def test_none_of_these_requests_logged_an_error(gateway: GatewayProcess) -> None:
    log = gateway.log()
    assert log.count(" gateway.access ") >= COUNT
    assert " ERROR " not in log
    assert "Traceback" not in log
