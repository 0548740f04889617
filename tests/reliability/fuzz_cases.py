"""Strategies for everything that can reach the gateway from outside."""

import json
import string
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from reliability.fuzz_wire import COLLECTION, Reply, post
from support.documents import Generator

from gateway.engine.strawberry_internals import core_schema
from gateway.schema import create_schema

SCHEMA = create_schema()
CORE = core_schema(SCHEMA)

# Arbitrary values

anything = st.text(st.characters(codec=None, categories=None), max_size=20)  # lone surrogates included
words = st.text(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=% \t\"\\\r\n\0é\u2028", max_size=30)
texts = st.one_of(
    words, anything, st.sampled_from(["", ".", "..", "1", "%2e%2e", "../x", "a/b", "x\r\nHost: evil", "\U0001d54f"])
)
numbers = st.one_of(
    st.integers(-3, 120),
    st.sampled_from([2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 10**4000]),
    st.floats(),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(["id", "body", "input", "message"]), words), inner, max_size=4),
    ),
    max_leaves=10,
)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Delete and insert some bytes."""
    for where, dropped, inserted in edits:
        at = where % (len(data) + 1)
        data = data[:at] + inserted + data[at + dropped :]
    return data


def some_edits(pieces: list[bytes]) -> st.SearchStrategy[list[tuple[int, int, bytes]]]:
    """Return a strategy for edits that insert one of these pieces, or a few arbitrary bytes."""
    inserted = st.one_of(st.sampled_from([b"", *pieces]), st.binary(max_size=4))
    return st.lists(st.tuples(st.integers(0, 2000), st.sampled_from([0, 0, 1, 2, 9, 60]), inserted), max_size=3)


# GraphQL documents

_NAMES = sorted({name for type_ in CORE.type_map.values() for name in getattr(type_, "fields", {})})
_TYPES = sorted(name for name in CORE.type_map)
_VALUES = [
    *("1", "-1", "1.5", "1e999", "9" * 30, "9" * 99, "9" * 5000, "true", "null", "RED", '"x"', '"""x"""', "[]", "{}"),
    *("{id: 1}", "$v", '"\ud800"', '"\\ud800"', '"\\u{110000}"', '"', '"""', "-", "0x1", "00", "[[[[1]]]]"),
]
_MARKS = [
    *("{", "}", "(", ")", "[", "]", ":", "=", "!", "|", "&", "...", "@skip", "@include(if: $v)", "@deprecated"),
    *("@oneOf", "$v", "$", ",", "#", '"', "\ufeff", "\0", "query", "mutation", "subscription", "fragment", "on", "F"),
    *("type", "input", "extend", "schema", "__typename", "__schema", "__type", "extend type Query { a: Int }"),
]
_TEMPLATES = [
    "{ %s }",
    "query ($v: %s) { __typename }",
    "query ($v: CreateInvitationInput = %s) { __typename }",
    "query ($v: ID!) { invitation(id: %s) { id } }",
    "query ($v: Int) { invitations(first: %s) { nodes { id } } }",
    "query ($v: String) { invitations(after: %s) { nodes { id } } }",
    '{ invitation(id: "1") { %s } }',
    "{ invitations { nodes { %s } } }",
    "mutation ($v: CreateInvitationInput!) { createInvitation(input: %s) { id } }",
    'mutation ($v: Int64) { createInvitation(input: {inviter: "a", invitee: "b", message: {}, created: %s}) { id } }',
    "mutation ($v: [CreateInvitationInput!]!) { createInvitations(inputs: %s) { results { index } } }",
    "mutation ($v: String) { createInvitations(inputs: [], idempotencyKey: %s) { results { index } } }",
    "mutation ($v: UpdateInvitationInput!) { updateInvitation(input: %s) { id } }",
    "{ invitation(id: 1) { ...F } } fragment F on %s { id }",
    "query A { __typename } query B { %s }",
    "{ invitation(id: 1) { id %s } } fragment F on InvitationV2 { id ...F }",
    "%s",
]


@dataclass(frozen=True, slots=True)
class GraphQL:
    """The parameters of a GraphQL request."""

    query: object
    variables: object = None
    name: object = None
    extensions: object = None

    def body(self) -> dict[str, object]:
        """Return what to send as JSON."""
        parts = {"query": self.query, "variables": self.variables, "operationName": self.name}
        return {**parts, **({} if self.extensions is None else {"extensions": self.extensions})}


soup = st.lists(st.sampled_from([*_NAMES, *_TYPES, *_VALUES, *_MARKS]), max_size=10).map(" ".join)
_parts = st.one_of(st.sampled_from(_VALUES), st.sampled_from([*_NAMES, *_TYPES]), soup)
documents = st.one_of(
    st.builds(lambda template, part: template.replace("%s", part), st.sampled_from(_TEMPLATES), _parts),
    st.builds(lambda template, part: template.replace("%s", part), st.sampled_from(_TEMPLATES), _parts),
    soup,
    anything,
)


def _generated(random: Random, misspelt: int) -> GraphQL:
    """Return a valid or nearly valid document."""
    case = Generator(CORE, random, wrong=0.5).case()
    text = case.text
    if misspelt < len(text):
        text = text[:misspelt] + text[misspelt + 1 :]
    return GraphQL(text, case.variables)


graphql_requests = st.one_of(
    st.builds(_generated, st.randoms(use_true_random=True), st.integers(0, 600)),
    st.builds(
        GraphQL,
        documents,
        st.one_of(st.none(), st.fixed_dictionaries({"v": values}), values),
        st.sampled_from([None, None, None, "A", "F", "", "\n", 1, ["A"]]),
        st.sampled_from([None, None, None, {}, {"persistedQuery": {"version": 1}}, [], "x"]),
    ),
)


# Ids, cursors, inputs: values that become part of REST requests

cursor_queries = st.one_of(
    st.builds("$top={}&$skiptoken={}".format, st.integers(-1, 200), words),
    st.sampled_from(["$top=20", "", "#", "a b", "x HTTP/1.1\r\nHost: evil\r\n\r\n", "é", "?" * 4097]),
    words,
)
cursors = st.one_of(
    st.builds(
        lambda content: urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("="),
        st.one_of(
            st.tuples(cursor_queries, st.integers(-2, 2**70)), st.tuples(cursor_queries, st.integers(0, 3)), values
        ),
    ),
    texts,
)
inputs = st.dictionaries(
    st.sampled_from(["id", "created", "lastModified", "inviter", "invitee", "message", "trackingId"]),
    leaves,
    max_size=7,
)
LIST = "query ($v: String, $n: Int) { invitations(after: $v, first: $n) { nodes { id } pageInfo { endCursor } } }"
GET = "query ($v: ID!) { invitation(id: $v) { id createdAt created lastModifiedAt } }"
UPDATE = "mutation ($v: UpdateInvitationInput!) { updateInvitation(input: $v) { id } }"
CREATE = "mutation ($v: CreateInvitationInput!) { createInvitation(input: $v) { id createdAt } }"
CREATE_ALL = """mutation ($v: [CreateInvitationInput!]!) {
  createInvitations(inputs: $v) { results { invitation { id createdAt } error { code message trackingId } } } }"""
value_requests = st.one_of(
    st.builds(lambda cursor, n: GraphQL(LIST, {"v": cursor, "n": n}), cursors, st.one_of(st.none(), numbers)),
    st.builds(lambda id: GraphQL(GET, {"v": id}), texts),
    st.builds(lambda id, rest: GraphQL(UPDATE, {"v": {"inviter": "a", **rest, "id": id}}), texts, inputs),
    st.builds(
        lambda rest, text: GraphQL(
            CREATE,
            {"v": {"inviter": "a", "invitee": "b", "message": {"invitationMessage": {"body": text}}, **rest}},
        ),
        inputs,
        texts,
    ),
    st.builds(
        lambda many: GraphQL(CREATE_ALL, {"v": [{"inviter": "a", "invitee": "b", "message": {}, **it} for it in many]}),
        st.lists(inputs, max_size=3),
    ),
)


# HTTP requests

METHODS = ["GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PROPFIND"]
_PATHS = [
    *("/graphql", "/graphql", "/graphql", "/graphql/", "/", "//graphql", "/GraphQL", "/graphql%00", "/graphql/../x"),
    *("/healthz", "/readyz", "/graphiql/x/page.js", "/graphiql/x/..%2fpage.py", "/v1.0/linkedIn/invitations", "*"),
    *("http://evil.test/graphql", "/\xff".encode("latin-1").decode("latin-1"), "/%0d%0aX: y", "/a" * 200),
]
_ACCEPTS = [
    *("application/json", "application/graphql-response+json", "*/*", "text/html", "text/*;q=0.1", "", ",", ";q=1"),
    *("application/json;q=nan", "application/json;q=1e999", "application/json;q=-1", "a" * 999, "a" * 1001, "\xff"),
]
header_names = st.sampled_from(
    [
        *("Accept", "Authorization", "Origin", "X-Request-Id", "Content-Encoding", "Connection", "Cookie", "Range"),
        *("Expect", "If-None-Match", "Access-Control-Request-Method", "X-Forwarded-For", "Accept-Encoding", "Te"),
    ]
)
header_values = st.one_of(
    st.sampled_from([*_ACCEPTS, "Bearer x", "Bearer \xff", "gzip", "identity", "close", "keep-alive", "100-continue"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30),
)
content_types = st.sampled_from(
    ["application/json"] * 6 + ["application/json; charset=utf-16", "text/plain", "", "multipart/form-data", "\xff"]
)
bodies = st.one_of(
    graphql_requests.map(lambda it: json.dumps(it.body()).encode()),
    values.map(lambda it: json.dumps(it).encode()),
    st.binary(max_size=60),
    st.builds(
        edited,
        st.just(b'{"query": "query A ($v: ID!) { invitation(id: $v) { id } }", "variables": {"v": "1"}}'),
        some_edits([b"{", b"[" * 3000, b'"', b"\\ud800", b"\xff", b"NaN", b"1e999", b"9" * 5000, b"\\u0000", b"null"]),
    ),
)
queries = st.one_of(
    st.just(""),
    st.builds(
        lambda it: "?" + "&".join(f"{name}={quote(str(value), errors='replace')}" for name, value in it.items()),
        st.dictionaries(
            st.sampled_from(["query", "variables", "operationName", "extensions", "x"]),
            st.one_of(documents, values.map(json.dumps), texts),
            max_size=4,
        ),
    ),
    st.text(string.ascii_letters + "=&%?;+[]{}0f", max_size=40).map(lambda it: f"?query={it}"),
)


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A correctly framed request."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    content_type: str
    body: bytes
    chunk: int | None
    version: str

    def __bytes__(self) -> bytes:
        given = [("Host", "gateway.test"), ("Content-Type", self.content_type), *self.headers]
        body = self.body
        if self.chunk and self.version == "1.1":
            given.append(("Transfer-Encoding", "chunked"))
            parts = [body[at : at + self.chunk] for at in range(0, len(body), self.chunk)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif body or self.method == "POST":
            given.append(("Content-Length", str(len(body))))
        lines = [f"{self.method} {self.path}{self.query} HTTP/{self.version}", *(f"{name}: {it}" for name, it in given)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


http_requests = st.builds(
    HTTPRequest,
    st.sampled_from(METHODS),
    st.sampled_from(_PATHS),
    queries,
    st.lists(st.tuples(header_names, header_values), max_size=4),
    content_types,
    st.one_of(st.just(b""), bodies, bodies, bodies),
    st.one_of(st.none(), st.none(), st.integers(1, 99)),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0"]),
)
raw_requests = st.one_of(
    st.builds(
        edited,
        st.one_of(http_requests.map(bytes), graphql_requests.map(lambda it: post(it.body()))),
        some_edits(
            [
                *(
                    b"\r\n",
                    b"\n",
                    b"\r",
                    b" ",
                    b":",
                    b"\0",
                    b"\t",
                    b"\r\n\r\n",
                    b"\r\n folded",
                    b"\xff\xfe",
                    b"\x16\x03\x01",
                ),
                *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
                *(b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n", b"Upgrade: websocket\r\n", b"HTTP/2.0"),
                *(
                    b"0\r\n\r\n",
                    b"ffffffffffffffff\r\n",
                    b"-1\r\n",
                    b"GET / HTTP/1.1\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
                ),
                *(b"a: b\r\n" * 300, b"x" * 70_000, b"%00", b"Host: again\r\n", b"Expect: 100-continue\r\n"),
            ]
        ),
    ),
    st.binary(max_size=100),
)


# Responses of the REST API

LEAK = "leaked-by-the-upstream"
"""Marks what clients must not see of the upstream's responses."""
_INVITATION: dict[str, Any] = {"id": "1", "created": 1, "message": {"invitationMessage": {"body": LEAK}}}
_GRAPH_ERROR = {"error": {"code": "Plain", "message": LEAK, "innerError": {"request-id": "r-1", "date": LEAK}}}
_LINK = f"http://127.0.0.1:1{COLLECTION}?$skiptoken=2"
_contents = st.one_of(
    st.sampled_from([_INVITATION, {"value": [_INVITATION]}, {"value": _INVITATION}, {"value": []}, _GRAPH_ERROR]),
    st.builds(
        lambda name, value: {**_INVITATION, name: value}, st.sampled_from([*_INVITATION, "lastModified"]), values
    ),
    st.builds(lambda link: {"value": [], "@odata.nextLink": link}, st.one_of(st.just(_LINK), texts, values)),
    st.builds(lambda code, id: {"error": {"code": code, "innerError": {"request-id": id}}}, values, values),
    values,
)
_upstream_bodies = st.one_of(
    _contents.map(lambda it: json.dumps(it).encode()),
    st.sampled_from([b"", b"<html>" + LEAK.encode(), b"[" * 20_000, b"\xff\xfe", b'{"id": "\\ud800"}', b"9" * 5000]),
    st.binary(max_size=40),
)
_statuses = st.sampled_from(
    [
        *(b"200 OK", b"200 OK", b"201 Created", b"201 Created", b"202 Accepted", b"204 No Content", b"206 Partial"),
        *(b"301 Moved", b"307 Elsewhere", b"304 Not Modified", b"400 Bad", b"401 No", b"403 No", b"404 No", b"409 No"),
        *(b"410 Gone", b"412 No", b"418 Teapot", b"422 No", b"429 Slow", b"500 Oh", b"502 Oh", b"503 Oh", b"504 Oh"),
        *(b"100 Continue", b"103 Early", b"101 Switching", b"199 x", b"299 x", b"599 x", b"999 x", b"0 x", b"99 x"),
        *(b"20 x", b"2000 x", b"-1 x", b"", b"abc", b"200", b"200 " + LEAK.encode(), b"200 \xff"),
    ]
)
_fields = st.one_of(
    st.sampled_from(
        [
            *(b"Content-Encoding: gzip", b"Content-Length: 3", b"Content-Length: -1", b"Content-Length: 99999999999"),
            *(
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: gzip, chunked",
                b"Connection: close",
                b"Upgrade: h2c",
            ),
            *(b"Connection: upgrade", b"Location: https://evil.test/", b"request-id: r-1", b"request-id: r\xff1"),
            *(
                b'WWW-Authenticate: Bearer claims="e30="',
                b'WWW-Authenticate: Bearer claims="\\"\xff"',
                b"Set-Cookie: a=b",
            ),
            *(b"X: " + b"y" * 70_000, b" folded", b"no colon", b": empty", b"Content-Type: text/html; charset=\xff"),
        ]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=25).map(
        lambda it: b"Retry-After: " + it.encode("latin-1")
    ),
    st.sampled_from([b"0", b"1", b"-1", b"9" * 5000, b"1.5", b"nan", b"Wed, 21 Oct 9999 07:28:00 GMT", b"\xb2"]).map(
        lambda it: b"Retry-After: " + it
    ),
    st.binary(max_size=30).map(lambda it: b"X: " + it),
)


def _reply(status: bytes, fields: list[bytes], body: bytes, framing: str, then: Any) -> Reply:
    if framing == "counted":
        fields = [*fields, b"Content-Length: %d" % len(body)]
    elif framing == "chunked":
        fields = [*fields, b"Transfer-Encoding: chunked"]
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return Reply(b"\r\n".join([b"HTTP/1.1 " + status, *fields]) + b"\r\n\r\n" + body, then)


_ends = st.sampled_from(["keep", "keep", "keep", "close", "close", "reset", "hang"])
_framed_replies = st.builds(
    _reply,
    _statuses,
    st.lists(_fields, max_size=3),
    _upstream_bodies,
    st.sampled_from(["counted", "counted", "chunked", "none"]),
    _ends,
)
_PIECES = [
    b"\r\n",
    b"\n",
    b"\0",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"\r\n\r\n",
    b" ",
    b"1",
]
replies = st.one_of(
    _framed_replies,
    st.builds(lambda it, edits: Reply(edited(it.data, edits), it.then), _framed_replies, some_edits(_PIECES)),
    st.builds(
        lambda it, end, then: Reply(it.data[:end], then),
        _framed_replies,
        st.integers(0, 300),
        st.sampled_from(["close", "reset", "hang"]),
    ),
    st.builds(Reply, st.binary(max_size=60), st.sampled_from(["close", "reset", "hang"])),
)
CREATE_ONE_OF_ALL = 'mutation { createInvitations(inputs: [{inviter: "a", invitee: "b", message: {}}])'
upstream_cases = st.tuples(
    st.sampled_from(
        [
            GraphQL('{ invitation(id: "1") { id } }'),
            GraphQL("{ invitations { nodes { id } pageInfo { endCursor } } }"),
            GraphQL('mutation { createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id } }'),
            GraphQL(f"{CREATE_ONE_OF_ALL} {{ results {{ invitation {{ id }} error {{ code outcome }} }} }} }}"),
            GraphQL('mutation { updateInvitation(input: {id: "1", inviter: "a"}) { id } }'),
        ]
    ),
    replies,
)
