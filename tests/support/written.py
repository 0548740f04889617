"""A connection's transport that records what is written."""

import asyncio
from typing import Any


class Written(asyncio.Transport):
    """Records what is written to a client, and whether the connection was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Record a part."""
        self.parts.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Return 0: everything is sent at once."""
        return 0

    def is_closing(self) -> bool:
        """Return whether `close` was called."""
        return self.closing

    def close(self) -> None:
        """Record that the connection was closed."""
        self.closing = True

    def pause_reading(self) -> None:
        """Do nothing: there is nothing to read."""

    def resume_reading(self) -> None:
        """Do nothing: there is nothing to read."""
