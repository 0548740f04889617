"""The list: pages, cursors, and links that must not be followed."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer, replying
from support.servers import serve_app

from gateway import sandbox
from gateway.invitations.model import InvitationPage
from gateway.invitations.paging import Position, slice_page

pytestmark = pytest.mark.quick

COLLECTION = "/v1.0/linkedIn/invitations"
QUERY = """query ($first: Int, $after: String) { invitations(first: $first, after: $after) {
  nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


def page(ids: list[str], link: str | None = None) -> bytes:
    content: dict[str, Any] = {"value": [{"id": each} for each in ids]}
    return json_answer(200, content | ({"@odata.nextLink": link} if link else {}))


def read(gateway: Gateway, **variables: object) -> dict[str, Any]:
    found: dict[str, Any] = gateway.data(QUERY, variables)["invitations"]
    assert [edge["node"] for edge in found["edges"]] == found["nodes"]
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [node["id"] for node in found["nodes"]]


def targets(upstream: InvitationsUpstream) -> list[str]:
    return [call.target.removeprefix(COLLECTION) for call in upstream.calls]


class Rows:
    """A list of rows in pages of a fixed size, whatever `$top` says, which a service may choose to do."""

    def __init__(self, base: str, count: int, size: int) -> None:
        self.base = base
        self.ids = [f"row-{n}" for n in range(count)]
        self.size = size

    def __call__(self, call: Request) -> Reply:
        path, _, query = call.target.partition("?")
        assert path == COLLECTION
        begin = int(parse_qs(query).get("$skiptoken", ["0"])[0])
        end = begin + self.size
        more = f"{self.base}{COLLECTION}?$skiptoken={end}&opaque=a%2Fb%20c" if end < len(self.ids) else None
        return page(self.ids[begin:end], more)


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 7, 20, 100])
@pytest.mark.parametrize(("count", "size"), [(10, 4), (8, 4), (3, 10), (1, 1), (0, 5)])
def test_following_the_end_cursor_returns_every_row_once_and_then_ends(
    gateway: Gateway, upstream: InvitationsUpstream, first: int, count: int, size: int
) -> None:
    rows = Rows(upstream.url, count, size)
    upstream.expect(rows)
    seen: list[str] = []
    found = read(gateway, first=first)
    for _ in range(count + 1):
        assert len(found["nodes"]) <= first
        seen += ids(found)
        if not found["pageInfo"]["hasNextPage"]:
            break
        found = read(gateway, first=first, after=found["pageInfo"]["endCursor"])
        assert found["pageInfo"]["hasPreviousPage"]
    assert seen == rows.ids
    assert not found["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize("first", [1, 2, 3, 5, 9])
def test_the_list_continues_after_any_edge(gateway: Gateway, upstream: InvitationsUpstream, first: int) -> None:
    rows = Rows(upstream.url, 11, 4)
    upstream.expect(rows)
    after: str | None = None
    for begin in range(0, 4, 2):
        found = read(gateway, first=4, after=after)
        assert found["pageInfo"]["startCursor"] == found["edges"][0]["cursor"]
        assert found["pageInfo"]["endCursor"] == found["edges"][-1]["cursor"]
        for edge in found["edges"]:
            behind = rows.ids[rows.ids.index(edge["node"]["id"]) + 1 :]
            following = ids(read(gateway, first=first, after=edge["cursor"]))
            assert following == behind[: len(following)]
            assert following
        after = found["edges"][begin]["cursor"]


def test_a_cursor_works_with_another_first(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(Rows(upstream.url, 10, 10))
    cursor = read(gateway, first=3)["pageInfo"]["endCursor"]
    assert ids(read(gateway, first=2, after=cursor)) == ["row-3", "row-4"]
    assert ids(read(gateway, first=100, after=cursor)) == [f"row-{n}" for n in range(3, 10)]


def test_a_list_field_reads_one_rest_page(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(Rows(upstream.url, 10, 4))
    found = read(gateway, first=9)
    assert ids(found) == ["row-0", "row-1", "row-2", "row-3"]
    assert found["pageInfo"]["hasNextPage"]
    assert targets(upstream) == ["?$top=9"]


@pytest.mark.parametrize(("first", "top"), [({}, 20), ({"first": None}, 20), ({"first": 1}, 1), ({"first": 100}, 100)])
def test_first_is_20_by_default(
    gateway: Gateway, upstream: InvitationsUpstream, first: dict[str, object], top: int
) -> None:
    upstream.expect(always(page([f"row-{n}" for n in range(120)])))
    query = QUERY if first else QUERY.replace("first: $first, ", "").replace("$first: Int, ", "")
    assert len(gateway.data(query, first)["invitations"]["nodes"]) == top
    assert targets(upstream) == [f"?$top={top}"]


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1, -(2**31)])
def test_an_invalid_first_is_refused_without_a_request(
    gateway: Gateway, upstream: InvitationsUpstream, first: int
) -> None:
    for query, variables in (
        (QUERY, {"first": first}),
        (f"{{ invitations(first: {first}) {{ nodes {{ id }} }} }}", {}),
    ):
        error = gateway.error(query, variables)
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "first" in error["message"]
        assert "100" in error["message"]
    assert upstream.calls == []


def test_at_most_ten_empty_pages_with_a_next_link_are_followed(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    def empty_until(last: int) -> Iterator[bytes]:
        for n in range(last):
            yield page([], f"{upstream.url}{COLLECTION}?$skiptoken={n + 1}")
        yield page(["at-last"])

    upstream.expect(replying(*empty_until(10)))
    found = read(gateway)
    assert ids(found) == ["at-last"]
    assert targets(upstream) == ["?$top=20", *(f"?$skiptoken={n}" for n in range(1, 11))]

    upstream.expect(replying(*empty_until(15)))
    found = read(gateway)
    assert ids(found) == []
    assert len(upstream.calls) == 11
    assert found["pageInfo"]["hasNextPage"]
    assert ids(read(gateway, after=found["pageInfo"]["endCursor"])) == ["at-last"]
    assert targets(upstream)[11:] == [f"?$skiptoken={n}" for n in range(11, 16)]


def test_rows_that_have_disappeared_are_not_an_error(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    rows = Rows(upstream.url, 10, 10)
    upstream.expect(rows)
    cursor = read(gateway, first=8)["pageInfo"]["endCursor"]
    del rows.ids[4:]
    found = read(gateway, first=8, after=cursor)
    assert ids(found) == []
    assert not found["pageInfo"]["hasNextPage"]


def test_an_empty_list_has_no_cursors(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(page([])))
    for after in (None, Position("$skiptoken=a").cursor()):
        found = read(gateway, after=after)["pageInfo"]
        assert not found["hasNextPage"]
        assert (found["startCursor"], found["endCursor"]) == (None, None)


def test_the_query_of_a_link_is_sent_unchanged(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    opaque = "$skiptoken=a%2Fb%20c+d&%24filter=x%20eq%20%27y%27&$top=3&empty=&a=b?c/d:e@f"
    upstream.expect(replying(page(["1"], f"{upstream.url}{COLLECTION}?{opaque}"), page(["2"])))
    found = read(gateway)
    read(gateway, after=found["pageInfo"]["endCursor"])
    assert targets(upstream) == ["?$top=20", f"?{opaque}"]


def leading_away(upstream: InvitationsUpstream, other: InvitationsUpstream) -> dict[str, str]:
    query = "?$skiptoken=1"
    here, port = upstream.url, upstream.port
    return {
        "another host": f"{other.url}{COLLECTION}{query}",
        "another port": f"http://127.0.0.1:{other.port}{COLLECTION}{query}",
        "another name of the host": f"http://localhost:{port}{COLLECTION}{query}",
        "no port": f"http://127.0.0.1{COLLECTION}{query}",
        "another scheme": f"https://127.0.0.1:{port}{COLLECTION}{query}",
        "no scheme": f"//127.0.0.1:{port}{COLLECTION}{query}",
        "no host": f"{COLLECTION}{query}",
        "a query alone": query,
        "a user": f"http://user@127.0.0.1:{port}{COLLECTION}{query}",
        "a user and password": f"http://user:password@127.0.0.1:{port}{COLLECTION}{query}",
        "the host as a user": f"http://127.0.0.1:{port}@127.0.0.1:{other.port}{COLLECTION}{query}",
        "a backslash": f"http://127.0.0.1:{other.port}\\@127.0.0.1:{port}{COLLECTION}{query}",
        "another path": f"{here}/v1.0/me/messages{query}",
        "a path below": f"{here}{COLLECTION}/1{query}",
        "a slash behind the path": f"{here}{COLLECTION}/{query}",
        "another version": f"{here}/beta/linkedIn/invitations{query}",
        "steps in the path": f"{here}{COLLECTION}/../../me{query}",
        "an encoded path": f"{here}/v1.0/linkedIn%2Finvitations{query}",
        "another case of the path": f"{here}/v1.0/linkedin/invitations{query}",
        "no query": f"{here}{COLLECTION}",
        "an empty query": f"{here}{COLLECTION}?",
        "a fragment": f"{here}{COLLECTION}{query}#x",
        "a space in the query": f"{here}{COLLECTION}?$skiptoken=a b",
        "a line break in the query": f"{here}{COLLECTION}?$skiptoken=a\r\nX-Injected: 1",
        "a tab in the host": f"http://127.0.0.1\t:{port}{COLLECTION}{query}",
        "a letter that is not ASCII": f"{here}{COLLECTION}?$skiptoken=é",
        "a space before it": f" {here}{COLLECTION}{query}",
        "a port that is none": f"http://127.0.0.1:x{COLLECTION}{query}",
        "a broken address": f"http://[::1{COLLECTION}{query}",
        "a script": "javascript:alert(1)",
        "a file": f"file://{COLLECTION}{query}",
        "far too long": f"{here}{COLLECTION}?$skiptoken={'x' * 100_000}",
    }


@pytest.mark.parametrize("rows", [["1"], []], ids=["a full page", "an empty page"])
def test_a_link_to_somewhere_else_is_an_invalid_response_and_is_not_followed(
    gateway: Gateway, upstream: InvitationsUpstream, rows: list[str]
) -> None:
    with InvitationsUpstream(always(page(["stolen"]))) as other:
        for name, link in leading_away(upstream, other).items():
            upstream.expect(replying(page(rows, link)))
            error = gateway.error(QUERY)
            assert error["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE", name
            assert targets(upstream) == ["?$top=20"], name
        assert other.accepted == 0


@pytest.mark.parametrize("rows", [["1"], []], ids=["a full page", "an empty page"])
@pytest.mark.parametrize("query", ["$top=20", "%24top=20", "%24to%70=%32%30"])
def test_a_page_that_links_to_itself_is_an_invalid_response(
    gateway: Gateway, upstream: InvitationsUpstream, rows: list[str], query: str
) -> None:
    upstream.expect(always(page(rows, f"{upstream.url}{COLLECTION}?{query}")))
    assert gateway.error(QUERY)["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
    assert len(upstream.calls) == 1


def test_a_later_page_that_links_to_itself_is_an_invalid_response_wherever_the_list_continued(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(Rows(upstream.url, 10, 4))
    cursors = [edge["cursor"] for edge in read(gateway)["edges"]]
    upstream.expect(always(page(["a", "b"], f"{upstream.url}{COLLECTION}?$skiptoken=4&opaque=a%2Fb%20c")))
    assert gateway.error(QUERY, {"after": cursors[-1]})["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
    assert ids(read(gateway, after=cursors[0])) == ["b"]  # inside the first page, whose link is different


@pytest.mark.parametrize("back_to", ["$top=20", "$skiptoken=1", "$skiptoken=2", "%24skiptoken=1", "$skiptoken=3"])
def test_a_link_back_to_an_empty_page_of_the_same_call_is_an_invalid_response(
    gateway: Gateway, upstream: InvitationsUpstream, back_to: str
) -> None:
    links = [f"{upstream.url}{COLLECTION}?{query}" for query in ("$skiptoken=1", "$skiptoken=2", "$skiptoken=3")]
    back = f"{upstream.url}{COLLECTION}?{back_to}"
    for rows in ([], ["1"]):
        upstream.expect(replying(*(page([], link) for link in links), page(rows, back)))
        assert gateway.error(QUERY)["extensions"]["code"] == "UPSTREAM_INVALID_RESPONSE"
        assert len(upstream.calls) == 4


def test_a_link_whose_scheme_is_in_capitals_is_followed() -> None:
    with InvitationsUpstream() as upstream, running_gateway(upstream.url) as gateway:
        upstream.expect(replying(page(["1"], f"HTTP://127.0.0.1:{upstream.port}{COLLECTION}?a=b"), page(["2"])))
        found = read(gateway)
        assert ids(read(gateway, after=found["pageInfo"]["endCursor"])) == ["2"]


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://graph.example", "https://graph.example:443"),
        ("https://graph.example:443", "https://graph.example"),
        ("http://localhost", "http://localhost:80"),
    ],
)
def test_the_default_port_may_be_omitted(base: str, link: str) -> None:
    content = InvitationPage(value=[], next_link=f"{link}{COLLECTION}?a=b")

    found = slice_page(content, Position("$top=1"), 1, urlsplit(base + COLLECTION))

    assert found.end == Position("a=b")


def test_the_default_port_of_another_scheme_may_not_be_omitted() -> None:
    content = InvitationPage(value=[], next_link=f"https://graph.example:80{COLLECTION}?a=b")

    with pytest.raises(ValueError, match="leaves the collection"):
        slice_page(content, Position("$top=1"), 1, urlsplit(f"https://graph.example{COLLECTION}"))


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def forged(genuine: str) -> dict[str, str]:
    content = urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)).decode()
    return {
        "empty": "",
        "a word": "abc",
        "a space": " ",
        "not ASCII": "é",
        "a number": "1",
        "padded": genuine + "=" * (-len(genuine) % 4 or 4),
        "longer": genuine + "A",
        "with a space": genuine + " ",
        "with a line break": genuine + "\n",
        "twice": genuine + genuine,
        "in another alphabet": genuine[:4] + "+/" + genuine[4:],
        "as it is inside": content,
        "with a space inside": encoded(content + " "),
        "a URL": encoded("https://evil.example/v1.0/linkedIn/invitations?a=b"),
        "a URL in a list": encoded('["https://evil.example/ x",0]'),
        "a negative position": encoded('["$top=1",-1]'),
        "a position that is no integer": encoded('["$top=1",1.5]'),
        "a position that is a string": encoded('["$top=1","1"]'),
        "an empty query": encoded('["",0]'),
        "a line break in the query": encoded(json.dumps(["a\r\nX: y", 0], separators=(",", ":"))),
        "a space in the query": encoded('["a b",0]'),
        "a fragment in the query": encoded('["a#b",0]'),
        "another query": encoded('{"query":"a","offset":0}'),
        "null": encoded("null"),
        "nested deeply": encoded("[" * 5000),
        "very long": "A" * 100_000,
        "a query that is too long": encoded(json.dumps(["x" * 50_000, 0], separators=(",", ":"))),
        **{f"truncated by {cut}": genuine[:-cut] for cut in range(1, len(genuine))},
    }


def test_a_forged_cursor_is_refused_without_a_request(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(Rows(upstream.url, 10, 4))
    genuine = read(gateway, first=3)["pageInfo"]["endCursor"]
    upstream.expect(replying())
    for name, cursor in forged(genuine).items():
        error = gateway.error(QUERY, {"after": cursor})
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}, name
        assert "after" in error["message"]
    assert upstream.calls == []


def test_a_cursor_contains_no_host_scheme_or_path(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(Rows(upstream.url, 10, 4))
    found = read(gateway, first=100)
    for cursor in {found["pageInfo"]["endCursor"], *(edge["cursor"] for edge in found["edges"])}:
        content = urlsafe_b64decode(cursor + "==").decode()
        for part in ("http", "127.0.0.1", str(upstream.port), "linkedIn", "v1.0", "token-of-the-test"):
            assert part not in content
            assert part not in cursor


def test_a_cursor_from_another_upstream_is_sent_to_the_configured_one(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    upstream.expect(Rows(upstream.url, 10, 4))
    cursor = read(gateway, first=4)["pageInfo"]["endCursor"]
    upstream.expect(replying())
    with InvitationsUpstream(always(page(["elsewhere"]))) as other, running_gateway(other.url) as another_gateway:
        assert ids(read(another_gateway, after=cursor)) == ["elsewhere"]
        assert len(other.calls) == 1
    assert upstream.calls == []


def test_first_on_a_later_page_can_lower_the_page_size_but_not_raise_it(
    gateway: Gateway,
) -> None:
    with (
        closing(sandbox.Store()) as store,
        serve_app(sandbox.create_app(store)) as url,
        running_gateway(url) as before_sandbox,
    ):
        after = read(before_sandbox, first=5)["pageInfo"]["endCursor"]
        assert [len(read(before_sandbox, first=n, after=after)["nodes"]) for n in (2, 5, 100)] == [2, 5, 5]
    query = '{ __type(name: "Query") { fields { name args { name description } } } }'
    fields = gateway.data(query)["__type"]["fields"]
    (args,) = (field["args"] for field in fields if field["name"] == "invitations")
    (description,) = (arg["description"] for arg in args if arg["name"] == "first")
    assert "not raise" in description


def test_the_description_says_that_paging_is_best_effort(gateway: Gateway) -> None:
    fields = gateway.data('{ __type(name: "Query") { fields { name description } } }')["__type"]["fields"]
    (description,) = (field["description"] for field in fields if field["name"] == "invitations")
    assert "missed" in description
    assert "twice" in description


@pytest.mark.parametrize("first", [1, 7, 20, 48, 100])
def test_the_whole_sandbox_can_be_paged_through(first: int) -> None:
    with (
        closing(sandbox.Store()) as store,
        serve_app(sandbox.create_app(store)) as url,
        running_gateway(url) as gateway,
    ):
        seen: list[str] = []
        after = None
        for _ in range(100):
            found = read(gateway, first=first, after=after)
            seen += ids(found)
            after = found["pageInfo"]["endCursor"]
            if not found["pageInfo"]["hasNextPage"]:
                break
    assert len(seen) == len(set(seen)) >= 30
