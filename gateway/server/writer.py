"""Writes a response's head together with its body."""

import asyncio
import re

_FINAL_HEAD = re.compile(rb"HTTP/1\.1 [2-5]")
_JOINED = 65_536
"""Maximum bytes of a body that is copied to join it to the head."""


class Writer:
    """A connection's transport that keeps the head of a response until its body comes.

    uvicorn writes them separately, and each write is a system call and a packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether the connection is closed or closing."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write the data, or keep it if it is the head of a final response."""
        head = self._head
        if head:
            self._head = b""
            if len(data) <= _JOINED:
                self._transport.write(head + data)
                return
            self._transport.write(head)
        elif data.__class__ is bytes and _FINAL_HEAD.match(data) and data.endswith(b"\r\n\r\n"):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write the head that was kept, if any: its response has no body."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def close(self) -> None:
        """Close the connection once everything is written."""
        self.flush()
        self._transport.close()
