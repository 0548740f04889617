"""Run the audits of npm's graphql-http, the reference implementation of GraphQL over HTTP, against the gateway."""

import json
import subprocess
from pathlib import Path

import pytest
from support.gateway import GatewayProcess
from support.node import node, project
from support.waiting import LIMIT

AUDITS = """
    22EB 4655 47DE 80D8 82A3 BF61 78D5 2C94 5A70 9C48 9ABE 03D4 A5BF 423L LKJ0 LKJ1 LKJ2 LKJ3 34A2 13EE
    6C00 6C01 6C02 6C03 8161 B8B3 94B0 0220 94B1 0221 94B2 0222 4760 4761 4762 4763 2EA1 28B9 D6D5 6A70
    58B0 58B1 58B2 58B3 428F 1B7A B6DC BCF8 B7N8 8764 3E3A 572B FDE2 7B9B 865D 556A D586 51FE 74FF 5E5B
    86EE
""".split()  # noqa: SIM905  (sixty-one quoted strings are harder to read)

Result = dict[str, str]


@pytest.fixture(scope="module")
def results(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Run all audits once, and return their results by id."""
    scripts = project(Path(__file__).parent / "audits", tmp_path_factory.mktemp("audits") / "scripts")
    done = subprocess.run(
        [*node(), "run.mjs", f"{gateway.url}/graphql"],
        cwd=scripts,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Result] = json.loads(done.stdout)
    return {result["id"]: result for result in found}


def test_the_list_has_all_audits_of_the_suite(results: dict[str, Result]) -> None:
    assert list(results) == AUDITS
    assert len(AUDITS) == 61


@pytest.mark.parametrize("audit", AUDITS)
def test_the_audit_passes(audit: str, results: dict[str, Result]) -> None:
    result = results[audit]
    assert result["status"] == "ok", f"{result['name']}: {result['status']}, {result.get('reason')}"
