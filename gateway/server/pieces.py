"""Splits what a client sends into pieces for the parser."""

import re

MAX_CHUNKED_PIECE = 4096
"""Maximum bytes of a piece of a chunked body: each chunk in it costs a callback of the parser."""

_EMPTY_LINE = b"\r\n\r\n"
_LINE_END = b"\r\n"
_LINE_ENDS = re.compile(rb"[\r\n]*")


class Pieces:
    """The unparsed bytes of a connection. A request can end where a piece ends, but not within one."""

    body_to_come = 0
    """Unparsed bytes of a body with a Content-Length."""
    _data = b""
    _at = 0
    """`_data[_at:]` is not parsed yet."""
    _tail = b""
    """The last bytes parsed (at most three): an empty line may be split between two reads."""

    def __bool__(self) -> bool:
        """Return whether there are unparsed bytes."""
        return self._at < len(self._data)

    def add(self, data: bytes) -> None:
        """Add the bytes of a read."""
        self._data, self._at = self._data[self._at :] + data, 0

    def drop(self) -> None:
        """Discard the unparsed bytes."""
        self._data, self._at = b"", 0

    def take(self, *, between_requests: bool, in_body: bool) -> bytes:
        """Return the next piece, which is empty if there are only line breaks between two requests."""
        data, at = self._data, self._at
        if self.body_to_come:
            end = min(at + self.body_to_come, len(data))
            self.body_to_come -= end - at
        else:
            if between_requests and data[at] in _LINE_END and (match := _LINE_ENDS.match(data, at)):
                at = match.end()  # not part of a request
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
