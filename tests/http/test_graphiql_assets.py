"""GraphiQL's page and its assets, over a socket."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import brotli  # type: ignore[import-untyped]  # it has no types
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.requirements import need
from support.servers import serve_app

from gateway.http.graphiql import GraphiQL, version

pytestmark = pytest.mark.quick

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
BUILT = ("graphiql.js", "graphiql.css", "editor.worker.js", "graphql.worker.js", "json.worker.js")
OURS = ("page.js", "page.css")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        serve_app(app(upstream="https://graph.microsoft.com/v1.0", sandbox=False)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):
        need(client.get("/graphql").is_success, "GraphiQL's assets are missing: the gateway is not installed")
        yield client


@pytest.fixture(scope="module")
def folder(client: httpx.Client) -> str:
    found = re.search(r'src="(graphiql/[0-9a-f]{16}/)graphiql\.js"', client.get("/graphql").text)
    assert found
    return found[1]


def app(*, upstream: str, sandbox: bool) -> Starlette:
    graphiql = GraphiQL(upstream=upstream, sandbox=sandbox)

    def page(_: Request) -> Response:
        return graphiql.page()

    return Starlette(routes=[Route("/graphql", page), *graphiql.routes()])


def header_line(*, upstream: str, sandbox: bool) -> str:
    with serve_app(app(upstream=upstream, sandbox=sandbox)) as url:
        page = httpx.get(f"{url}/graphql", trust_env=False).text
    return page.partition("<header>")[2].partition("</header>")[0]


def test_the_page_has_the_policy_and_is_not_cached(client: httpx.Client) -> None:
    page = client.get("/graphql")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["vary"] == "Accept"


def test_the_page_has_no_inline_scripts_and_only_relative_urls(client: httpx.Client) -> None:
    page = client.get("/graphql").text

    assert re.findall(r"<script(?![^>]* src=)", page) == []
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) == 5
    assert all(address.startswith(("graphiql/", "data:")) for address in addresses)


@pytest.mark.parametrize("file", BUILT + OURS)
def test_an_asset_is_cached_forever_under_its_version(client: httpx.Client, folder: str, file: str) -> None:
    asset = client.get(folder + file)

    assert asset.status_code == 200
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert asset.headers["vary"] == "Accept-Encoding"
    assert asset.headers["content-type"].partition(";")[0] == (
        "text/css" if file.endswith("css") else "text/javascript"
    )
    assert asset.headers["content-security-policy"] == POLICY
    assert asset.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("br", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.5, gzip; q=0.9", "gzip"),
        ("br;q=0.000, *", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("identity", None),
        ("", None),
        ("br;q=0, gzip;q=0", None),
        ("br;q=nonsense", None),
        ("br;q=1.1, gzip;q=0.1", "gzip"),
        ("br;q=0.9999, gzip;q=0.1", "gzip"),
        ("br;level=1;q=0, gzip", "gzip"),
        ("br;q=0;q=1, gzip;q=0.1", "gzip"),
        ("br;q=0, br", "br"),
        ("br;q=0.1, gzip;q=0.2, *;q=0.3", None),
        ("br;q=0.1, identity;q=0.2", None),
        ("br;q=0.2, identity;q=0.2", "br"),
        ("br;q=0.1, *;q=0", "br"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0, *", "br"),
        ("identity;q=0", None),  # the client accepts nothing; any response is better than none
        ("identity;q=0, deflate", None),
        ("x, " * 1000 + "gzip", None),  # the header is too long to be read
        ("deflate, zstd", None),
    ],
)
def test_an_asset_is_compressed_as_the_client_asks(
    client: httpx.Client, folder: str, accepted: str, coding: str | None
) -> None:
    with client.stream("GET", f"{folder}editor.worker.js", headers={"Accept-Encoding": accepted}) as asset:
        content = b"".join(asset.iter_raw())

    assert asset.headers.get("content-encoding") == coding
    assert int(asset.headers["content-length"]) == len(content)


def test_several_accept_encoding_headers_are_one_list(client: httpx.Client, folder: str) -> None:
    headers = [("Accept-Encoding", "identity;q=0.5"), ("Accept-Encoding", "gzip")]

    assert client.get(f"{folder}editor.worker.js", headers=headers).headers["content-encoding"] == "gzip"


def test_all_encodings_of_an_asset_have_the_same_content(client: httpx.Client, folder: str) -> None:
    raw: dict[str, bytes] = {}
    for coding in ("br", "gzip", "identity"):
        with client.stream("GET", f"{folder}graphiql.css", headers={"Accept-Encoding": coding}) as asset:
            raw[coding] = b"".join(asset.iter_raw())

    assert gzip.decompress(raw["gzip"]) == brotli.decompress(raw["br"]) == raw["identity"]
    assert len(raw["br"]) < len(raw["gzip"]) < len(raw["identity"])


@pytest.mark.parametrize("file", BUILT + OURS)
def test_a_file_is_read_and_decompressed_only_once(
    client: httpx.Client, folder: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def contents() -> list[bytes]:
        codings = ("br", "gzip", "identity")
        answers = [client.get(folder + file, headers={"Accept-Encoding": coding}) for coding in codings]
        return [answer.raise_for_status().content for answer in answers]

    first = contents()
    monkeypatch.setattr("gateway.http.graphiql._ASSETS", tmp_path)
    monkeypatch.setattr("gateway.http.graphiql._HERE", tmp_path)

    assert contents() == first


def test_head_returns_the_headers_of_a_get_without_content(client: httpx.Client, folder: str) -> None:
    got = client.get(f"{folder}graphiql.js")
    head = client.head(f"{folder}graphiql.js")

    assert head.status_code == 200
    assert head.content == b""
    differing = {
        name for name in got.headers.keys() | head.headers.keys() if got.headers.get(name) != head.headers.get(name)
    }
    assert differing <= {"date"}


@pytest.mark.parametrize(
    "path",
    [
        "graphiql/0000000000000000/graphiql.js",
        "{folder}manifest.json",
        "{folder}page.html",
        "{folder}__init__.py",
        "{folder}graphiql.js.br",
        "{folder}..%2Fpage.html",
        "{folder}%2e%2e/page.html",
        "graphiql/graphiql.js",
    ],
)
def test_nothing_else_is_served(client: httpx.Client, folder: str, path: str) -> None:
    missing = client.get(path.format(folder=folder))

    assert missing.status_code == 404
    assert "cache-control" not in missing.headers


def test_the_page_shows_the_upstream_without_its_secrets_and_escaped() -> None:
    line = header_line(upstream="https://user:secret@graph.example/v1.0/<script>?key=secret#secret", sandbox=False)

    assert "<strong>https://graph.example/v1.0/&lt;script&gt;</strong>" in line
    assert "secret" not in line


def test_the_page_asks_for_a_token_only_with_a_real_api() -> None:
    upstream = "https://graph.microsoft.com/v1.0"

    assert '<input id="token"' in header_line(upstream=upstream, sandbox=False)
    sandbox = header_line(upstream=upstream, sandbox=True)
    assert "embedded sandbox" in sandbox
    assert "<input" not in sandbox


def test_a_gateway_without_the_assets_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr("gateway.http.graphiql._ASSETS", tmp_path_factory.mktemp("assets"))

    with serve_app(app(upstream="https://graph.microsoft.com/v1.0", sandbox=False)) as url:
        page = httpx.get(f"{url}/graphql", trust_env=False)
        script = httpx.get(f"{url}/graphiql/{version()}/graphiql.js", trust_env=False)

    assert page.status_code == 503
    assert len(page.text.splitlines()) == 1
    assert "pip install" in page.text
    assert script.status_code == 404
