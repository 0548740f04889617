"""The README's examples, verbatim except for the address."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway import GatewayProcess, gateway_process
from support.node import node, project
from support.requirements import need
from support.waiting import LIMIT

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def dev() -> Iterator[GatewayProcess]:
    with gateway_process("dev") as gateway:
        yield gateway


def example(language: str, gateway: GatewayProcess, *, number: int = 0) -> str:
    text = README.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)[number]
    assert found.count(ADDRESS) == 1
    return str(found).replace(ADDRESS, gateway.url)


def output(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def curl(text: str) -> dict[str, object]:
    need(shutil.which("curl"), "curl is needed")
    answer: dict[str, object] = json.loads(output("sh", "-c", text.removeprefix("$ ")))["data"]
    return answer


def test_curl_lists_invitations_without_a_token(dev: GatewayProcess) -> None:
    invitations = curl(example("console", dev, number=0))["invitations"]
    assert isinstance(invitations, dict)
    assert len(invitations["nodes"]) == 2
    assert invitations["pageInfo"]["hasNextPage"] is True


def test_curl_creates_an_invitation(dev: GatewayProcess) -> None:
    created = curl(example("console", dev, number=1))["createInvitation"]
    assert isinstance(created, dict)
    assert created["id"]
    assert re.fullmatch(r"\d{4}-.+Z", created["createdAt"])


def test_the_example_for_apollo_client_pages_to_the_end_and_reads_the_outcome(
    dev: GatewayProcess, tmp_path: Path
) -> None:
    folder = project(Path(__file__).parent / "javascript", tmp_path / "javascript")
    (folder / "readme.mjs").write_text(example("js", dev), encoding="utf-8")
    first, second = output(*node(), "readme.mjs", folder=folder).splitlines()
    assert re.fullmatch(r"(4[89]|[5-9]\d) invitations", first)
    assert second == "NOT_FOUND NOT_APPLIED"


def test_the_example_for_python_prints_three_invitations(dev: GatewayProcess) -> None:
    lines = output(sys.executable, "-c", example("python", dev)).splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"\S+ \d+ \d{4}-\S+Z", line) for line in lines)
