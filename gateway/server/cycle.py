"""Writes a response's head together with its body."""

from starlette.types import Message

from gateway.server.uvicorn_internals import STATUS_LINE, RequestResponseCycle

_CONTROLS = bytes([*range(9), *range(10, 32), 127])
_JOINED = 65_536
"""Maximum bytes of a body that is copied to join it to the head."""


class Cycle(RequestResponseCycle):
    """A request and its response, written at once if it has a single body, of the announced length.

    uvicorn writes the head and the body separately, and each write is a system call and a packet. It also looks at each
    header several times. Other responses are left to it.
    """

    _start: Message | None = None

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Write a response once its body is known."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        body = message.get("body", b"")
        head = None if start is None or self.disconnected or self.flow.write_paused else self._head(start, message)
        if head is None:
            if start is not None:
                await super().send(start)  # type: ignore[arg-type]
            await super().send(message)  # type: ignore[arg-type]
            return
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        if len(body) > _JOINED:
            self.transport.write(head)
            self.transport.write(body)
        else:
            self.transport.write(head + body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _head(self, start: Message, message: Message) -> bytes | None:
        """Return the head of a response that can be written at once."""
        fields = [*self.default_headers, *start["headers"]]
        known = dict(fields)
        if (
            message.get("more_body")
            or known.get(b"content-length") != b"%d" % len(message.get("body", b""))
            or b"connection" in known
            or b"transfer-encoding" in known
            or self.scope["method"] == "HEAD"
        ):
            return None
        lines = [STATUS_LINE[start["status"]], *[b"%b: %b\r\n" % field for field in fields]]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        # Each line has one line break, and nothing else that a client could take for one.
        is_valid = len(head) - len(head.translate(None, _CONTROLS)) == 2 * len(lines)
        return head if is_valid else None
