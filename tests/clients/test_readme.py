"""The README's examples, verbatim except for the address."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway import GatewayProcess, gateway_process
from support.node import node, project
from support.requirements import need
from support.scripted_upstream import Script, ScriptedUpstream, UpstreamConnection, answer
from support.waiting import LIMIT

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def dev() -> Iterator[GatewayProcess]:
    with gateway_process("dev") as gateway:
        yield gateway


def example(language: str, url: str, *, number: int = 0) -> str:
    text = README.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.+?)^```$", text, re.MULTILINE | re.DOTALL)[number]
    assert found.count(ADDRESS) == 1
    return str(found).replace(ADDRESS, url)


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
    invitations = curl(example("console", dev.url, number=0))["invitations"]
    assert isinstance(invitations, dict)
    assert len(invitations["nodes"]) == 2
    assert invitations["pageInfo"]["hasNextPage"] is True


def test_curl_creates_an_invitation(dev: GatewayProcess) -> None:
    created = curl(example("console", dev.url, number=1))["createInvitation"]
    assert isinstance(created, dict)
    assert created["id"]
    assert re.fullmatch(r"\d{4}-.+Z", created["createdAt"])


def test_the_example_for_apollo_client_pages_to_the_end_and_reads_the_outcome(
    dev: GatewayProcess, tmp_path: Path
) -> None:
    folder = project(Path(__file__).parent / "javascript", tmp_path / "javascript")
    (folder / "readme.mjs").write_text(example("js", dev.url), encoding="utf-8")
    first, second = output(*node(), "readme.mjs", folder=folder).splitlines()
    assert re.fullmatch(r"(4[89]|[5-9]\d) invitations", first)
    assert second == "NOT_FOUND NOT_APPLIED"


def losing_answers(gateway: GatewayProcess) -> Script:
    """Return a proxy's script: it drops the first answer, then says that the first request is still running."""
    lock = threading.Lock()
    running = {"code": "IDEMPOTENCY_IN_PROGRESS", "outcome": "UNKNOWN", "retryAfter": 1}
    content = {"data": {"createInvitation": None}, "errors": [{"message": "still running", "extensions": running}]}
    in_progress = answer(200, json.dumps(content).encode())
    sent = 0

    def script(connection: UpstreamConnection) -> None:
        nonlocal sent
        while (raw := connection.read_request()) is not None:
            with lock:
                sent += 1
                number = sent
            if number == 2:
                connection.send(in_progress)
                continue
            body = gateway.raw(raw.partition(b"\r\n\r\n")[2]).content
            if number == 1:
                return
            connection.send(answer(200, body))

    return script


@pytest.mark.parametrize(("number", "name"), [(1, "apollo"), (2, "urql")])
def test_the_examples_with_keys_retry_until_there_is_an_answer_and_invite_once(
    dev: GatewayProcess, tmp_path: Path, number: int, name: str
) -> None:
    folder = project(Path(__file__).parent / "javascript", tmp_path / "javascript")
    with ScriptedUpstream(losing_answers(dev)) as proxy:
        (folder / "readme.mjs").write_text(example("js", proxy.url, number=number), encoding="utf-8")
        printed = output(*node(), "readme.mjs", folder=folder)
        assert len(proxy.requests) == 3
    assert printed == f"invited urn:li:email:{name}@example.com\n"
    invitees = [
        it["invitee"] for it in dev.data("{ invitations(first: 100) { nodes { invitee } } }")["invitations"]["nodes"]
    ]
    assert invitees.count(f"urn:li:email:{name}@example.com") == 1


def test_the_example_for_python_prints_three_invitations(dev: GatewayProcess) -> None:
    lines = output(sys.executable, "-c", example("python", dev.url)).splitlines()
    assert len(lines) == 3
    assert all(re.fullmatch(r"\S+ \d+ \d{4}-\S+Z", line) for line in lines)
