"""Reads a GraphQL request from an HTTP request: GraphQL over HTTP, "Request"."""

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope

from gateway.engine import DocumentError
from gateway.errors import ErrorCode, Outcome

MAX_BODY = 1_000_000
"""Maximum bytes of a request's body: a document and its variables, with room to spare."""
MAX_BODIES = 200_000_000
"""Maximum bytes of all bodies being received or run: thousands of usual ones, but not thousands of the largest."""
MAX_MEDIA_TYPES = 1000
"""Maximum bytes of an `Accept` or `Content-Type` header: parsed ones are cached."""
MAX_LENGTH_DIGITS = 19
"""Maximum digits of a Content-Length: more than any body needs, and few enough for `int()`."""
MAX_PARAMETERS = 16
"""Maximum number of URL parameters: GraphQL over HTTP defines four."""
HANG_UP = "gateway.hang_up"
"""Scope key for a function that closes the connection without a response.

It is set once the client has closed its sending side: the client may be gone, or still wait for the response.
"""


class Refusal(Exception):  # noqa: N818 (a response, not an error)
    """An HTTP request that is refused, with its response."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        code: ErrorCode = ErrorCode.BAD_REQUEST,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.outcome = outcome
        self.headers = headers

    @property
    def errors(self) -> list[dict[str, object]]:
        """The error, in the format of the GraphQL specification."""
        extensions = {"code": self.code.value, **({"outcome": self.outcome.value} if self.outcome else {})}
        return [{"message": self.message, "extensions": extensions}]


class Disconnected(Exception):  # noqa: N818 (as Starlette names it)
    """The client has disconnected."""


class Headers(msgspec.Struct, frozen=True):
    """The headers of a request, with those that the endpoint reads; an empty string is a missing header."""

    fields: dict[bytes, bytes]
    accept: str
    content_type: str
    content_encoding: bytes
    content_length: int

    def __repr__(self) -> str:
        """Return a text without the token."""
        return "Headers()"


class GraphQLRequest(msgspec.Struct, rename={"operation_name": "operationName"}):
    """The parameters of a GraphQL request."""

    query: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class Bodies:
    """Counts the bytes of all bodies that are being received or whose operations are running."""

    def __init__(self) -> None:
        self.total = 0


_body_decoder = msgspec.json.Decoder(GraphQLRequest)
_map_decoder: msgspec.json.Decoder[dict[str, Any] | None] = msgspec.json.Decoder(dict[str, Any] | None)


def read_headers(scope: Scope) -> Headers:
    """Return the headers of a request.

    Raises Refusal for a repeated header, and for media types that are too long.
    """
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    found = dict(raw)
    if len(found) != len(raw):
        found = _merged(raw)
    accept = found.get(b"accept", b"")
    content_type = found.get(b"content-type", b"")
    if len(accept) > MAX_MEDIA_TYPES or len(content_type) > MAX_MEDIA_TYPES:
        raise Refusal(431, f"The Accept and Content-Type headers must each be at most {MAX_MEDIA_TYPES} bytes.")
    length = found.get(b"content-length", b"")
    return Headers(
        fields=found,
        accept=accept.decode("latin-1"),
        content_type=content_type.decode("latin-1"),
        content_encoding=found.get(b"content-encoding", b"identity").lower(),
        content_length=int(length) if length.isdigit() and len(length) <= MAX_LENGTH_DIGITS else 0,
    )


def _merged(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name, with repeated ones joined. Raises Refusal for those that must not be repeated."""
    found: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in found and name in _SINGLE:
            raise Refusal(400, f"The {name.decode('ascii').title()} header must not be repeated.")
        found[name] = found[name] + b"," + value if name in found else value
    return found


_SINGLE = frozenset({b"authorization", b"content-encoding", b"content-type"})


async def read_body(headers: Headers, receive: Receive, bodies: Bodies) -> tuple[GraphQLRequest, int]:
    """Return the request in a POST, and the size of its body in bytes.

    Raises Refusal if it is invalid or too many bodies are being received, DocumentError (see `_checked`) and
    Disconnected.
    """
    if not _is_json(headers.content_type):
        raise Refusal(415, "The Content-Type must be application/json, encoded as UTF-8.")
    if headers.content_encoding != b"identity":
        raise Refusal(415, "Compressed bodies are not supported. Send the body without Content-Encoding.")
    if headers.content_length > MAX_BODY:
        raise _too_large()
    body = await _receive_all(receive, bodies)
    return _checked(_decode(body)), len(body)


def read_url(scope: Scope) -> GraphQLRequest:
    """Return the request in a GET. Raises Refusal if invalid, and DocumentError (see `_checked`)."""
    parameters = read_parameters(scope)
    return _checked(
        GraphQLRequest(
            query=parameters.get("query"),
            operation_name=parameters.get("operationName"),
            variables=_decode_map("variables", parameters.get("variables")),
            extensions=_decode_map("extensions", parameters.get("extensions")),
        )
    )


def read_parameters(scope: Scope) -> dict[str, str]:
    """Return the URL parameters. Empty ones count as absent, because a URL has no `null`. Raises Refusal."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        allowed = f"at most {MAX_PARAMETERS} parameters in percent-encoded UTF-8"
        raise Refusal(400, f"The URL's query string is invalid. It must have {allowed}.") from None
    if len(dict(pairs)) != len(pairs):
        raise Refusal(400, "Each URL parameter must appear only once.")
    return dict(pairs)


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.partition("=")[2].strip().strip('"') for part in parameters if part.startswith("charset")]
    return media_type == "application/json" and all(charset in ("utf-8", "utf8") for charset in charsets)


async def _receive_all(receive: Receive, bodies: Bodies) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks = bytearray()
        try:
            while True:
                chunks += body
                bodies.total += len(body)
                if len(chunks) > MAX_BODY:
                    raise _too_large()
                if bodies.total > MAX_BODIES:
                    raise overloaded()
                if not message.get("more_body"):
                    break
                message = await receive()
                body = message.get("body", b"")
        finally:
            bodies.total -= len(chunks)
        body = bytes(chunks)
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


def overloaded() -> Refusal:
    """Return the refusal of a request for which the gateway has no capacity."""
    return Refusal(503, "The gateway is overloaded. Try again later.", ((b"retry-after", b"1"),), ErrorCode.OVERLOADED)


def _too_large() -> Refusal:
    return Refusal(413, f"The body must be at most {MAX_BODY} bytes.")


def _decode(body: bytes) -> GraphQLRequest:
    try:
        # msgspec alone would not check the encoding of members that it skips.
        return _body_decoder.decode(body.decode("utf-8"))
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.") from None
    except msgspec.ValidationError as error:
        if body.lstrip().startswith(b"["):
            raise Refusal(400, "The body must be one JSON object: batches are not supported.") from None
        # The text of the error only names types and paths of our own struct.
        raise Refusal(400, f"The body is not a GraphQL request: {error}.") from None
    except ValueError:
        raise Refusal(400, "The body must be JSON, encoded as UTF-8.") from None


def _decode_map(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        return _map_decoder.decode(text)
    except (ValueError, RecursionError):
        raise Refusal(400, f"`{name}` must be a JSON object.") from None


def _checked(request: GraphQLRequest) -> GraphQLRequest:
    """Return the request. Raises Refusal if it has no query.

    Raises DocumentError for a persisted query; its message makes Apollo Client send the full query.
    """
    if request.query is None:
        if "persistedQuery" in (request.extensions or {}):
            code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED
            raise DocumentError([{"message": "PersistedQueryNotSupported", "extensions": {"code": code.value}}])
        raise Refusal(400, "`query` is missing. It must be the text of a GraphQL document.")
    request.extensions = None  # they take many times their size in bytes, and the request is kept while it runs
    return request
