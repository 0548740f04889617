"""Serializes a request (RFC 9112), so that it can never be read as a different one."""

from functools import lru_cache

import httpx

_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_VISIBLE = bytes(range(33, 127))
_TOKEN_PUNCTUATION = b"!#$%&'*+-.^_`|~"


def serialize(request: httpx.Request) -> bytes:
    """Return the request's bytes. Raises `httpx.LocalProtocolError` if it is not valid HTTP."""
    if not isinstance(request.stream, httpx.ByteStream):
        raise httpx.LocalProtocolError("The request's body must be bytes.")
    body = b"".join(request.stream)
    method = request.method
    target: bytes = request.extensions.get("target") or request.url.raw_path
    fields = request.headers.raw
    if not (method.isascii() and method.isalpha()):
        raise httpx.LocalProtocolError("The request's method is not a word.")
    if not target.startswith(b"/") or target.translate(None, _VISIBLE):
        raise httpx.LocalProtocolError("The request's target is not a path of visible ASCII characters.")
    length_at = _check_names(tuple([name for name, _ in fields]))
    if body if length_at is None else fields[length_at][1] != b"%d" % len(body):
        raise httpx.LocalProtocolError("The request's Content-Length is not the length of its body.")
    head = b"\r\n".join([b"%b: %b" % field for field in fields])
    if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(fields) - 1):  # except the line breaks added here
        raise httpx.LocalProtocolError("A request header's value has a control character.")
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method.encode("ascii"), target, head, body)


@lru_cache(maxsize=64)
def _check_names(names: tuple[bytes, ...]) -> int | None:
    """Check a request's header names, and return the index of `Content-Length`, if any.

    Raises `httpx.LocalProtocolError`. Cached: requests have the same few sets of names.
    """
    lowered = [name.lower() for name in names]
    if b"" in lowered or not b"".join(lowered).translate(None, _TOKEN_PUNCTUATION).isalnum():
        raise httpx.LocalProtocolError("A request header's name is not a token.")
    if lowered.count(b"host") != 1:
        raise httpx.LocalProtocolError("The request does not have one Host header.")
    if b"transfer-encoding" in lowered or lowered.count(b"content-length") > 1:
        raise httpx.LocalProtocolError("The request's Content-Length is not the length of its body.")
    return lowered.index(b"content-length") if b"content-length" in lowered else None
