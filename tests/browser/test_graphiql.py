"""GraphiQL in a real browser, in front of a real gateway and sandbox, with all other hosts blocked."""

import json
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.browser import LIMIT, GraphiQLPage
from support.invitations_upstream import InvitationsUpstream
from support.servers import serve_app

Open = Callable[[], GraphiQLPage]

TOKEN = "a-token-that-only-this-person-has"
PASSED_ON = {"cache-control", "content-security-policy", "content-type", "x-content-type-options"}
INVITATION_FIELDS = {"created", "createdAt", "id", "invitee", "inviter", "lastModified", "message", "trackingId"}


def test_the_first_example_lists_invitations_with_one_press(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    expect(page.header).to_contain_text("embedded sandbox")
    expect(page.page).to_have_title("Invitations Gateway")

    answer = page.run()

    first = json.loads(page.text_of("variables.json"))["first"]
    assert len(answer["data"]["invitations"]["nodes"]) == first
    assert answer["data"]["invitations"]["pageInfo"]["hasNextPage"] is True
    assert page.page.url == f"{dev}/graphql"


def test_the_second_example_creates_an_invitation_with_one_press(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.choose_tab("CreateInvitation")
    typed = json.loads(page.text_of("variables.json"))["input"]

    created = page.run()["data"]["createInvitation"]

    assert created["invitee"] == typed["invitee"]
    assert created["message"]["invitationMessage"] == typed["message"]["invitationMessage"]
    assert read(dev, created["id"])["inviter"] == typed["inviter"]


def test_the_third_example_updates_an_invitation_with_one_press(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.choose_tab("UpdateInvitation")
    typed = json.loads(page.text_of("variables.json"))["input"]
    before = read(dev, typed["id"])

    updated = page.run()["data"]["updateInvitation"]

    assert updated["id"] == typed["id"]
    assert updated["message"]["invitationMessage"] == typed["message"]["invitationMessage"]
    assert read(dev, typed["id"])["inviter"] == before["inviter"]


def test_autocomplete_offers_the_fields_of_an_invitation(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.type_into("Operation Editor", "{ invitations { nodes { ")

    page.page.keyboard.press("Control+Space")

    rows = page.page.locator(".suggest-widget.visible .monaco-list-row")
    expect(rows.first).to_be_visible(timeout=LIMIT)
    expect(rows.filter(has_text=re.compile("^invitee"))).to_be_visible(timeout=LIMIT)
    offered = {re.split(r"\W", row)[0] for row in rows.all_inner_texts()}
    assert offered >= INVITATION_FIELDS


def test_a_field_that_does_not_exist_is_underlined(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    assert page.problems() == []

    page.type_into("Operation Editor", "{ invitations { nodes { id inviterr } } }")

    # While it was being typed, the document had a syntax error, which was underlined.
    page.wait_for_problem("inviterr")
    expect(page.page.locator(".squiggly-error").first).to_be_visible(timeout=LIMIT)


def test_a_variable_of_a_wrong_type_is_underlined(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")

    page.type_into("Variables", '{"first": "five"}')

    expect(page.page.get_by_label("Variables", exact=True).locator("[class*=squiggly]").first).to_be_visible(
        timeout=LIMIT
    )


def test_the_documentation_shows_the_descriptions_of_the_schema(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    query = '{ __type(name: "InvitationV2") { description fields { name description } } }'
    described = httpx.post(f"{dev}/graphql", json={"query": query}, trust_env=False).json()["data"]["__type"]

    page.page.get_by_label("Show Documentation Explorer").click()
    page.page.locator(".graphiql-doc-explorer").get_by_role("link", name="InvitationV2", exact=True).click()

    documentation = page.page.locator(".graphiql-doc-explorer")
    for text in [described["description"], *(field["description"] for field in described["fields"])]:
        expect(documentation).to_contain_text(text.replace("`", ""), timeout=LIMIT)


def test_the_explorer_adds_a_field_to_the_operation(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    assert "trackingId" not in page.text_of("operation.graphql")

    page.page.get_by_label("Show GraphiQL Explorer").click()
    page.page.locator(".docExplorerWrap").get_by_text("trackingId", exact=True).click()

    page.page.wait_for_function("() => __MONACO.editor.getModels().some(model => /trackingId/.test(model.getValue()))")
    assert all("trackingId" in node for node in page.run()["data"]["invitations"]["nodes"])
    page.wait_until_stored("trackingId")
    assert page.page.url == f"{dev}/graphql"


def test_64_bit_integers_are_kept_exactly_as_literals_and_strings(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.type_into(
        "Operation Editor",
        """mutation ($modified: Int64) {
  createInvitation(input: {
    inviter: "urn:li:person:ada", invitee: "urn:li:person:grace", message: {},
    created: 9223372036854775807, lastModified: $modified
  }) { created lastModified }
}""",
    )
    page.type_into("Variables", '{"modified": "-9223372036854775808"}')

    created = page.run()["data"]["createInvitation"]

    assert created == {"created": "9223372036854775807", "lastModified": "-9223372036854775808"}
    expect(page.page.get_by_label("Result Window")).to_contain_text("9223372036854775807")


def test_a_variable_that_the_browser_would_round_is_not_sent(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.choose_tab("UpdateInvitation")
    page.type_into("Variables", '{"input": {"id": "x", "created": 9007199254740993}}')
    sent: list[str] = []
    page.page.on("request", lambda request: sent.append(request.method))

    page.page.get_by_label("Execute query").click()

    expect(page.page.get_by_label("Result Window")).to_contain_text("Write it as a string", timeout=LIMIT)
    assert "POST" not in sent


def test_a_big_integer_in_a_response_is_shown_exactly(graphiql: Open, dev: str) -> None:
    page = graphiql()
    answer = '{"data": {"__typename": 9007199254740993}}'
    page.open(f"{dev}/graphql")
    page.page.route("**/graphql", lambda route: route.fulfill(content_type="application/json", body=answer))

    page.run()

    expect(page.page.get_by_label("Result Window")).to_contain_text("9007199254740993")


def test_typed_text_survives_a_reload_and_is_removed_with_the_tab(graphiql: Open, dev: str) -> None:
    page = graphiql().open(f"{dev}/graphql")
    page.choose_tab("CreateInvitation")
    page.type_into("Variables", '{"input": null}')
    page.page.wait_for_function(
        """() => JSON.parse(sessionStorage.getItem("graphiql:tabState"))?.tabs[1].variables === '{"input": null}'"""
    )

    page.page.reload()
    page.ready()

    expect(page.tabs).to_have_count(3)
    expect(page.page.get_by_role("tab", selected=True)).to_contain_text("CreateInvitation")
    assert page.text_of("variables.json") == '{"input": null}'
    page.page.close()
    again = graphiql().open(f"{dev}/graphql")
    again.choose_tab("CreateInvitation")
    assert json.loads(again.text_of("variables.json"))["input"]["invitee"]
    assert again.page.evaluate("localStorage.length") == 0


@pytest.fixture(scope="module")
def behind_a_prefix(dev: str) -> Iterator[str]:
    with serve_app(prefix_proxy("/tools/invitations", dev)) as proxy:
        yield f"{proxy}/tools/invitations"


def test_it_works_under_a_path_prefix(behind_a_prefix: str, graphiql: Open) -> None:
    page = graphiql()
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))

    with page.page.expect_worker(lambda worker: worker.url.endswith("/graphql.worker.js")) as worker:
        page.open(f"{behind_a_prefix}/graphql")
    answer = page.run()

    assert worker.value.url.startswith(f"{behind_a_prefix}/graphiql/")
    assert answer["data"]["invitations"]["nodes"]
    assert [url for url in asked if not url.startswith((f"{behind_a_prefix}/", "data:"))] == []


def test_a_token_is_sent_with_every_request_and_never_stored(graphiql: Open, dev: str, serve: str) -> None:
    page = graphiql().open(f"{serve}/graphql")
    expect(page.header).to_contain_text(f"{dev}/v1.0")
    assert page.run()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    page.token.fill(f"Bearer {TOKEN}")
    with page.page.expect_request(lambda request: request.method == "POST") as sent:
        answer = page.run()
    assert sent.value.headers["authorization"] == f"Bearer {TOKEN}"
    assert answer["data"]["invitations"]["nodes"]
    page.page.get_by_role("button", name="Headers").click()
    page.type_into("Headers", json.dumps({"Authorization": f"Bearer {TOKEN}2"}))
    with page.page.expect_request(lambda request: request.method == "POST") as sent:
        page.run()
    assert sent.value.headers["authorization"] == f"Bearer {TOKEN}2"

    page.type_into("Operation Editor", "query AfterTheToken { __typename }")
    page.wait_until_stored("AfterTheToken")
    assert TOKEN not in everything_kept(page)
    page.page.close()
    again = graphiql().open(f"{serve}/graphql")
    expect(again.token).to_have_value("")
    assert TOKEN not in everything_kept(again)
    assert TOKEN not in again.text_of("request-headers.json")


@pytest.mark.parametrize(
    ("example", "missing"), [("CreateInvitation", {"inviter", "invitee", "message"}), ("UpdateInvitation", {"id"})]
)
def test_running_the_example_sends_nothing_to_a_real_api(
    counting: InvitationsUpstream, counted: str, graphiql: Open, example: str, missing: set[str]
) -> None:
    page = graphiql().open(f"{counted}/graphql")
    page.token.fill(TOKEN)
    page.choose_tab(example)

    answer = page.run()

    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    named = {field for error in answer["errors"] for field in re.findall("required field '(\\w+)'", error["message"])}
    assert named == missing
    assert counting.requests == []


def test_filling_in_the_variables_sends_one_invitation(
    counting: InvitationsUpstream, counted: str, graphiql: Open
) -> None:
    page = graphiql().open(f"{counted}/graphql")
    page.token.fill(TOKEN)
    page.choose_tab("CreateInvitation")
    page.type_into("Variables", json.dumps({"input": {"inviter": "a", "invitee": "b", "message": {}}}))

    page.run()

    assert [call.method for call in counting.calls] == ["POST"]


def read(gateway: str, invitation: str) -> dict[str, str]:
    """Read an invitation from the API, without the browser."""
    query = "query ($id: ID!) { invitation(id: $id) { id inviter invitee } }"
    body = {"query": query, "variables": {"id": invitation}}
    found: dict[str, str] = httpx.post(f"{gateway}/graphql", json=body, trust_env=False).json()["data"]["invitation"]
    return found


def everything_kept(page: GraphiQLPage) -> str:
    """Return the page's address and everything that the browser stores for it, as one text."""
    kept = page.page.context.storage_state(indexed_db=True)
    in_the_tab = str(page.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, history.state])"))
    return json.dumps(kept) + in_the_tab + page.page.url


def prefix_proxy(prefix: str, gateway: str) -> Starlette:
    """Return a reverse proxy that strips the prefix without telling the gateway."""

    async def forward(request: Request) -> Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = gateway + request.url.path.removeprefix(prefix)
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            answer = await client.request(request.method, url, headers=headers, content=await request.body())
        kept = {name: value for name, value in answer.headers.items() if name in PASSED_ON}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route(f"{prefix}/{{path:path}}", forward, methods=["GET", "POST"])])
