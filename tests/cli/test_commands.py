"""The commands as users run them: in their own processes, called over HTTP."""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.commands import assert_one_line_of_error, run_command, started
from support.gateway import TOKEN
from support.invitations_upstream import InvitationsUpstream, Reply, always, json_answer
from support.processes import children, need_proc
from support.scripted_upstream import answer
from support.waiting import LIMIT, wait_until

from gateway.settings import Settings

SECRET = "5ecret"
SCHEMA = Path(__file__).parents[2] / "schema.graphql"
CREATE = """mutation ($input: CreateInvitationInput!) { createInvitation(input: $input) {
  id created inviter message { invitationMessage { body } } } }"""
INPUT = {"inviter": "urn:li:person:a", "invitee": "urn:li:email:b@example.com", "message": {}, "created": "7"}


def graphql(base: str, query: str, variables: object = None, **headers: str) -> dict[str, Any]:
    """Send a query as `curl` does: as JSON, with only the given headers."""
    body = {"query": query, "variables": variables}
    response = httpx.post(f"{base}/graphql", json=body, headers=headers, timeout=LIMIT, trust_env=False)
    assert response.status_code == 200, response.text
    content: dict[str, Any] = response.json()
    return content


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, timeout=LIMIT, trust_env=False)


def test_with_dev_a_newcomer_can_create_update_read_and_page_without_a_token() -> None:
    with started("dev", "--port", "0") as dev:
        base = dev.url_before("/graphql")

        created = graphql(base, CREATE, {"input": INPUT})["data"]["createInvitation"]
        assert created["created"] == "7"
        update = "mutation ($input: UpdateInvitationInput!) { updateInvitation(input: $input) { inviter invitee } }"
        updated = graphql(base, update, {"input": {"id": created["id"], "inviter": "urn:li:person:c"}})
        assert updated == {"data": {"updateInvitation": {"inviter": "urn:li:person:c", "invitee": INPUT["invitee"]}}}
        read = graphql(base, "query ($id: ID!) { invitation(id: $id) { inviter } }", {"id": created["id"]})
        assert read == {"data": {"invitation": {"inviter": "urn:li:person:c"}}}

        page = (
            "query ($after: String) { invitations(after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
        )
        seen: list[str] = []
        found: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
        while found["pageInfo"]["hasNextPage"]:
            found = graphql(base, page, {"after": found["pageInfo"]["endCursor"]})["data"]["invitations"]
            seen += [node["id"] for node in found["nodes"]]
        assert len(seen) == len(set(seen)) >= 31
        assert created["id"] in seen

        assert get(f"{base}/healthz").status_code == 200
        assert "<html" in get(f"{base}/graphql", Accept="text/html").text


def test_dev_also_serves_the_sandbox_and_prints_its_url() -> None:
    with started("dev", "--port", "0") as dev:
        base = dev.url_before("/graphql")
        created = graphql(base, CREATE, {"input": INPUT})["data"]["createInvitation"]

        collection = f"{base}/v1.0/linkedIn/invitations"
        assert collection in dev.output
        assert get(collection).status_code == 401
        assert get(f"{collection}/{created['id']}", Authorization="Bearer any").json()["inviter"] == INPUT["inviter"]


def test_dev_supplies_a_token_only_if_the_request_has_none() -> None:
    with started("dev", "--port", "0") as dev:
        base = dev.url_before("/graphql")
        query = "{ invitations { nodes { id } } }"
        assert "errors" not in graphql(base, query)
        assert "errors" not in graphql(base, query, Authorization="Bearer mine")
        (error,) = graphql(base, query, Authorization="Basic dXNlcjpwYXNz")["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"


def test_data_survives_kill_9_and_data_in_memory_does_not(tmp_path: Path) -> None:
    file = tmp_path / "invitations.sqlite"
    cases: list[tuple[tuple[str, ...], bool]] = [(("--data", str(file)), True), ((), False)]
    for words, survives in cases:
        with started("dev", "--port", "0", *words) as first:
            created = graphql(first.url_before("/graphql"), CREATE, {"input": INPUT})["data"]["createInvitation"]
            assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        with started("dev", "--port", "0", *words) as second:
            query = f'{{ invitation(id: "{created["id"]}") {{ inviter }} }}'
            found = graphql(second.url_before("/graphql"), query)["data"]["invitation"]
            assert found == ({"inviter": INPUT["inviter"]} if survives else None)


def test_serve_calls_the_configured_api_with_the_callers_token_and_logs_nothing_private() -> None:
    private = ["token-of-the-test", "inviter-x", "invitee-x", "a private text", SECRET]
    message = {"invitationMessage": {"body": "a private text"}}
    given = {"inviter": "inviter-x", "invitee": "invitee-x", "message": message}
    replies: list[Reply] = [
        json_answer(201, {"id": "1", "inviter": SECRET}),
        answer(500, json.dumps({"error": {"code": "x y", "message": SECRET}}).encode(), b"X-Debug: " + SECRET.encode()),
        answer(201, SECRET.encode()),
        lambda connection: connection.close(),
    ]
    with (
        InvitationsUpstream() as upstream,
        started("serve", "--port", "0", variables={"GATEWAY_UPSTREAM_URL": f"{upstream.url}/v1.0"}) as serve,
    ):
        base = serve.url_before("/graphql")
        (error,) = graphql(base, CREATE, {"input": given})["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED", "outcome": "NOT_APPLIED"}
        assert upstream.accepted == 0
        for reply in replies:
            upstream.expect(always(reply))
            graphql(base, CREATE, {"input": given}, Authorization=TOKEN)
            assert [call.headers["authorization"] for call in upstream.calls] == [TOKEN]
        graphql(base, "{ " + SECRET.replace("5", "s") + " }", Authorization=TOKEN)
        serve.stop()
    assert serve.output.count("POST") >= 6
    for text in private:
        assert text not in serve.output


def test_serve_with_two_workers_responds_and_stops_both() -> None:
    variables = {"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:1/v1.0"}
    with started("serve", "--port", "0", "--workers", "2", variables=variables) as serve:
        base = serve.url_before("/graphql")
        for _ in range(20):
            assert graphql(base, "{ __typename }") == {"data": {"__typename": "Query"}}
        need_proc()
        workers = [Path("/proc", str(child)) for child in children(serve.process.pid)]
        serve.stop()
    wait_until(lambda: not any(worker.exists() for worker in workers), "no worker outlives its parent")
    with pytest.raises(httpx.ConnectError):
        get(f"{base}/healthz")


def test_sandbox_serves_only_the_rest_api() -> None:
    with started("sandbox", "--port", "0") as sandbox:
        base = sandbox.url_before("/v1.0/linkedIn/invitations")
        page = get(f"{base}/v1.0/linkedIn/invitations?$top=2", Authorization="Bearer x").json()
        assert len(page["value"]) == 2
        assert page["@odata.nextLink"].startswith(f"{base}/v1.0/linkedIn/invitations?")
        assert get(f"{base}/graphql").status_code == 404


def test_schema_prints_writes_and_checks_the_sdl(tmp_path: Path) -> None:
    sdl = SCHEMA.read_text(encoding="utf-8")
    file = tmp_path / "schema.graphql"

    printed = run_command("schema")
    assert (printed.returncode, printed.stdout, printed.stderr) == (0, sdl, "")

    assert run_command("schema", "--output", str(file)).returncode == 0
    assert file.read_text(encoding="utf-8") == sdl

    checked = run_command("schema", "--check", str(file))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

    file.write_text(sdl.replace("trackingId: String", "trackingID: String", 1), encoding="utf-8")
    differs = run_command("schema", "--check", str(file))
    assert differs.returncode == 1
    assert "-  trackingID: String" in differs.stdout
    assert "+  trackingId: String" in differs.stdout

    file.write_text(sdl + "\n", encoding="utf-8")
    assert run_command("schema", "--check", str(file)).returncode == 1

    file.write_bytes(b"\xff\xfe")
    assert_one_line_of_error(run_command("schema", "--check", str(file)), "schema.graphql")
    assert_one_line_of_error(run_command("schema", "--check", str(tmp_path / "none.graphql")), "none.graphql")
    assert_one_line_of_error(run_command("schema", "--output", str(tmp_path / "none" / "x.graphql")), "x.graphql")


def test_a_misspelt_variable_causes_a_warning_and_the_gateway_starts() -> None:
    variables = {"GATEWAY_UPSTREAM_URI": f"https://{SECRET}.example"}
    with started("serve", "--port", "0", variables=variables) as serve:
        serve.url_before("/graphql")
        assert "GATEWAY_UPSTREAM_URI is not a setting. Did you mean GATEWAY_UPSTREAM_URL?" in serve.output
        assert SECRET not in serve.output


def test_serve_has_an_option_for_each_setting_with_its_default_and_variable() -> None:
    text = run_command("serve", "--help").stdout
    flat = " ".join(text.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert f"GATEWAY_{name.upper()}" in flat
        assert field.description is not None
        assert field.description in flat


def test_an_option_overrides_its_variable() -> None:
    with InvitationsUpstream(always(json_answer(200, {"id": "1"}))) as upstream:
        variables = {"GATEWAY_UPSTREAM_URL": "https://graph.example", "GATEWAY_PORT": "1", "GATEWAY_PLAYGROUND": "true"}
        words = ("--upstream-url", upstream.url, "--port", "0", "--no-playground")
        with started("serve", *words, variables=variables) as serve:
            base = serve.url_before("/graphql")
            query = '{ invitation(id: "1") { id } }'
            assert graphql(base, query, Authorization=TOKEN) == {"data": {"invitation": {"id": "1"}}}
            assert [call.target for call in upstream.calls] == ["/linkedIn/invitations/1"]
            assert "<html" not in get(f"{base}/graphql", Accept="text/html").text


def test_features_can_be_switched_off_and_origins_allowed() -> None:
    variables = {
        "GATEWAY_PLAYGROUND": "false",
        "GATEWAY_INTROSPECTION": "false",
        "GATEWAY_CORS_ORIGINS": "https://app.example",
    }
    introspect = "{ __schema { queryType { name } } }"
    with started("serve", "--port", "0", variables=variables) as serve:
        base = serve.url_before("/graphql")
        assert "<html" not in get(f"{base}/graphql", Accept="text/html").text
        assert graphql(base, introspect)["errors"]
        allowed = "access-control-allow-origin"
        assert get(f"{base}/healthz", Origin="https://app.example").headers[allowed] == "https://app.example"
        assert allowed not in get(f"{base}/healthz", Origin="https://other.example").headers
    with started("serve", "--port", "0") as serve:
        base = serve.url_before("/graphql")
        assert "<html" in get(f"{base}/graphql", Accept="text/html").text
        assert graphql(base, introspect) == {"data": {"__schema": {"queryType": {"name": "Query"}}}}
        assert allowed not in get(f"{base}/healthz", Origin="https://app.example").headers


def test_help_says_what_each_command_does() -> None:
    text = run_command("--help").stdout
    for command in ("dev", "serve", "sandbox", "schema"):
        assert f"  {command} " in text
    assert run_command("--version").returncode == 0
