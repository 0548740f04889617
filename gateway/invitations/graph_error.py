"""Graph's error bodies: the most specific code, and the request ids.

`{"error": {"code", "innerError": {"code", "request-id", "innererror": {…}}}}`: both spellings, nested to any depth.
`message` is not read: Graph's error page says not to depend on it, and it can contain what the caller must not see.
"""

import re
from typing import cast

import msgspec

MAX_BODY = 100_000
"""Maximum bytes of an error body that is parsed."""
MAX_DEPTH = 16
"""Maximum number of nested errors that are read."""

_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_.\-]{1,128}", re.ASCII)


class GraphError(msgspec.Struct, frozen=True):
    """The details in an error body. Each is None if it is missing or not a plain token."""

    code: str | None = None
    request_id: str | None = None
    client_request_id: str | None = None


def read_graph_error(content: bytes) -> GraphError:
    """Return the error details in a response body. Any content is accepted."""
    code = request_id = client_request_id = None
    for error in _nested(content):
        code = plain_token(error.get("code")) or code
        request_id = request_id or plain_token(error.get("request-id"))
        client_request_id = client_request_id or plain_token(error.get("client-request-id"))
    return GraphError(code, request_id, client_request_id)


def plain_token(value: object) -> str | None:
    """Return the value if it is a short plain word, safe to show to anyone, else None."""
    return value if isinstance(value, str) and _PLAIN_TOKEN.fullmatch(value) else None


def _nested(content: bytes) -> list[dict[str, object]]:
    """Return the error and its inner errors, outermost first."""
    if len(content) > MAX_BODY:
        return []
    try:
        body = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        return []
    found: list[dict[str, object]] = []
    inner = [body.get("error")] if isinstance(body, dict) else []
    while len(found) < MAX_DEPTH and inner:
        error = inner.pop(0)
        if isinstance(error, dict):
            found.append(cast("dict[str, object]", error))
            inner += [error.get("innerError"), error.get("innererror")]
    return found
