"""JavaScript GraphQL clients and tools, at the lockfile's versions, each against a gateway of its own."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.gateway import gateway_before_sandbox
from support.node import node, project
from support.waiting import LIMIT

from gateway.schema import create_schema

JOURNEY = [
    "creates an invitation",
    "updates with null",
    "reads an invitation",
    "pages to the end",
    "shows a validation error",
    "shows an upstream error",
    "creates several at once",
]
"""What every client must do; some do more."""


class Workspace:
    """The clients' files with their installed packages and the gateway's current schema."""

    def __init__(self, folder: Path) -> None:
        self._folder = project(Path(__file__).parent / "javascript", folder)
        (self._folder / "schema.graphql").write_text(create_schema().as_str() + "\n", encoding="utf-8")

    def run(self, *arguments: str, **variables: str) -> str:
        """Run a Node.js program that must succeed, and return its output."""
        done = subprocess.run(
            [*node(), *arguments],
            cwd=self._folder,
            env={**os.environ, "NO_COLOR": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def run_client(self, script: str) -> None:
        """Run a client's tests against a new gateway; all must pass, including the whole journey."""
        with gateway_before_sandbox() as gateway:
            report = self.run("--test-reporter=tap", script, GRAPHQL_URL=f"{gateway.url}/graphql")
        passed = re.findall(r"^ok \d+ - (.+)$", report, re.MULTILINE)
        assert [name for name in passed if name in JOURNEY] == JOURNEY, report


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("clients") / "javascript")


def test_apollo_client_works(workspace: Workspace) -> None:
    workspace.run_client("apollo.test.mjs")


def test_urql_works(workspace: Workspace) -> None:
    workspace.run_client("urql.test.mjs")


def test_relay_compiles_a_pagination_fragment_and_works(workspace: Workspace) -> None:
    workspace.run("node_modules/relay-compiler/cli.js", "relay.config.json")
    workspace.run_client("relay.test.mjs")


def test_documents_with_types_from_codegen_compile_and_work(workspace: Workspace) -> None:
    workspace.run("node_modules/@graphql-codegen/cli/cjs/bin.js", "--config", "codegen.json")
    workspace.run("node_modules/typescript/bin/tsc")
    workspace.run_client("compiled/codegen/client.test.js")


def test_the_schema_follows_the_rules_of_graphql_eslint(workspace: Workspace) -> None:
    workspace.run("node_modules/eslint/bin/eslint.js", "--max-warnings=0", "--no-inline-config", "schema.graphql")
