"""Rules of RFC 9112 for a request's head that the parser does not check."""

import re
from functools import lru_cache

from gateway.http.request import MAX_LENGTH_DIGITS

_HOST = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Za-z:.\-._~!$&'()*+,;=]+\])(?::[0-9]*)?")


class BadHead(Exception):  # noqa: N818 (a response, not an error)
    """A head that must be rejected, and the connection closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def check_head(version: str, headers: list[tuple[bytes, bytes]], *, upgrade: bool) -> int:
    """Return the length of a request's body, or 0 if it has none or is chunked.

    `upgrade` means that the parser takes what follows the head for another protocol. Raises BadHead.
    """
    if version not in ("1.1", "1.0"):
        raise BadHead(400, "The HTTP version must be 1.1.")
    found = dict(headers)
    host = found.get(b"host")
    if host is None:
        if version == "1.1":
            raise BadHead(400, "A request must have a Host header.")
    elif not _is_host(host):
        raise BadHead(400, "The Host header must be a host with an optional port.")
    if len(found) != len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise BadHead(400, "A request must have only one Host header.")
    length = found.get(b"content-length")
    in_chunks = b"transfer-encoding" in found
    if in_chunks:
        _check_codings(version, headers)
    if upgrade and (in_chunks or length is not None):
        # The parser would take the body for the start of the other protocol, or of the next request.
        raise BadHead(400, "A request with a body must not use Upgrade or CONNECT.")
    if length is None:
        return 0
    if len(length := length.strip()) > MAX_LENGTH_DIGITS:
        raise BadHead(400, f"The Content-Length must have at most {MAX_LENGTH_DIGITS} digits.")
    return int(length)


def _check_codings(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise BadHead for any transfer coding but `chunked` (RFC 9112, sections 6.1 and 6.3)."""
    if version == "1.0":
        raise BadHead(400, "HTTP/1.0 does not support Transfer-Encoding. Send a Content-Length, or use HTTP/1.1.")
    values = b",".join(value for name, value in headers if name == b"transfer-encoding")
    codings = [coding.strip().lower() for coding in values.split(b",")]
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        raise BadHead(400, "The last Transfer-Encoding must be chunked, and no other may be.")
    if len(codings) > 1:
        raise BadHead(501, "The only supported Transfer-Encoding is chunked.")


@lru_cache(maxsize=64)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host.strip()) is not None
