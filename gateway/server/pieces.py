"""Cuts what a client sends into pieces for the parser."""

import re

MAX_CHUNKED_PIECE = 4096
"""Maximum bytes of a piece of a body in chunks, each of which is a call of the parser."""

_EMPTY_LINE = b"\r\n\r\n"
_LINE_END = b"\r\n"
_LINE_ENDS = re.compile(rb"[\r\n]*")


class Pieces:
    """The bytes of a connection that are not parsed yet; a request can end where a piece ends, but not within it."""

    body_to_come = 0
    """Bytes of a counted body that are not parsed yet."""
    _data = b""
    _at = 0
    """`_data[_at:]` is not parsed yet."""
    _tail = b""
    """The last bytes of an unfinished request, up to three: an empty line may be split between two reads."""

    def __bool__(self) -> bool:
        """Return whether bytes are waiting."""
        return self._at < len(self._data)

    def add(self, data: bytes) -> None:
        """Add the bytes of a read."""
        self._data, self._at = self._data[self._at :] + data, 0

    def drop(self) -> None:
        """Forget what is waiting."""
        self._data, self._at = b"", 0

    def end_request(self) -> None:
        """Begin to look for the end of another request."""
        self._tail = b""

    def take(self, *, between_requests: bool, in_body: bool) -> bytes:
        """Return the next piece; it is empty when nothing but line ends is there between two requests."""
        data, at = self._data, self._at
        if self.body_to_come:
            end = min(at + self.body_to_come, len(data))
            self.body_to_come -= end - at
        else:
            if between_requests and data[at] in _LINE_END and (match := _LINE_ENDS.match(data, at)):
                at = match.end()  # they are no part of a request
            split = (self._tail + data[at : at + 3]).find(_EMPTY_LINE) if self._tail else -1
            if split >= 0:
                end = at + split + len(_EMPTY_LINE) - len(self._tail)
            else:
                end = data.find(_EMPTY_LINE, at) + len(_EMPTY_LINE)
                end = end if end >= len(_EMPTY_LINE) else len(data)
            if in_body:
                end = min(end, at + MAX_CHUNKED_PIECE)
        self._at = end
        piece = data[at:end]
        self._tail = piece[-3:] if len(piece) >= 3 else (self._tail + piece)[-3:]
        return piece
