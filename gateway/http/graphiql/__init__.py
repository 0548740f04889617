"""GraphiQL: a page and its assets, all from the gateway's own origin.

The page uses no inline scripts and no other hosts. The build hook (`.build/graphiql.py`) writes GraphiQL's own files.
All URLs in the page are relative, so it works under any path prefix of a proxy.
"""

import gzip
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.http.accept import IDENTITY, best_coding

__all__ = ["GraphiQL"]

_HERE: Final = Path(__file__).parent
_ASSETS: Final = _HERE / "assets"
_OURS: Final = frozenset({"page.css", "page.js"})
_BUILT: Final = frozenset({"graphiql.css", "graphiql.js", "editor.worker.js", "graphql.worker.js", "json.worker.js"})
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
_SUFFIXES: Final = {"br": ".br", "gzip": ".gz"}
_PIECE: Final = 65_536

# Workers follow the policy of their own response, not the page's, so every response has it.
_SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_SANDBOX: Final = (
    "<p>Connected to the <strong>embedded sandbox API</strong> with sample invitations on this machine. "
    "Nothing is sent to anyone, and no token is needed.</p>"
)
_UPSTREAM: Final = Template(
    "<p>Connected to <strong>$upstream</strong>. Mutations are real: they send invitations to people.</p>"
    '<label>Bearer token <input id="token" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" '
    'placeholder="paste it here; it is never stored"></label>'
)


class GraphiQL:
    """The page at `graphql` and its assets at `graphiql/<version>/<file>`.

    The page shows origin and path of `upstream`, the URL of the REST API; with `sandbox`, it says instead that it is
    connected to the embedded sandbox.
    """

    def __init__(self, *, upstream: str, sandbox: bool) -> None:
        self._version = version()
        self._built = _BUILT if (_ASSETS / "manifest.json").is_file() else frozenset[str]()
        header = _SANDBOX if sandbox else _UPSTREAM.substitute(upstream=escape(_shown(upstream)))
        self._html = Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
            version=self._version, header=header, api="sandbox" if sandbox else "upstream"
        )

    def page(self) -> Response:
        """Return the HTML page, or a 503 if GraphiQL's files were not built."""
        headers = {**_SECURITY, "Cache-Control": "no-store", "Vary": "Accept"}
        if not self._built:
            text = "GraphiQL's files are missing. Install the gateway with pip (in a checkout: pip install -e .)."
            return PlainTextResponse(text, 503, headers)
        return HTMLResponse(self._html, headers=headers)

    def routes(self) -> list[Route]:
        """Return the routes of the page's assets."""
        return [Route("/graphiql/{version}/{file}", self._asset)]

    async def _asset(self, request: Request) -> Response:
        """Return a file, compressed as the client prefers. The path of another version never returns this one's."""
        file = request.path_params["file"]
        if request.path_params["version"] != self._version or file not in _OURS | self._built:
            return PlainTextResponse("Not found", 404, _SECURITY)
        headers = {**_SECURITY, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        coding = IDENTITY
        if file in self._built:
            coding = best_coding(",".join(request.headers.getlist("accept-encoding")), tuple(_SUFFIXES))
        if coding != IDENTITY:
            headers["Content-Encoding"] = coding
        return _InPieces(_content(file, coding), headers=headers, media_type=_MEDIA_TYPES[Path(file).suffix])


class _InPieces(Response):
    """Sends its body in pieces, each after the client has taken the one before; none is copied."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (Starlette's own)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for start in range(0, len(body), _PIECE):
            end = start + _PIECE
            await send({"type": "http.response.body", "body": body[start:end], "more_body": end < len(body)})


@cache
def _content(file: str, coding: str) -> bytes:
    """Return the content of a file, cached: all files in all codings take 13 MB."""
    if file in _OURS:
        return (_HERE / file).read_bytes()
    if coding == IDENTITY:
        return gzip.decompress(_content(file, "gzip"))
    return (_ASSETS / (file + _SUFFIXES[coding])).read_bytes()


def _shown(url: str) -> str:
    """Return the origin and path of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def version() -> str:
    """Return the version in the assets' path: a digest of our own files and the build's manifest."""
    files = [*(_HERE / name for name in sorted(_OURS)), _ASSETS / "manifest.json"]
    content = b"".join(file.read_bytes() for file in files if file.is_file())
    return hashlib.sha256(content).hexdigest()[:16]
