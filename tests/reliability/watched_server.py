"""The installed command, started by `watched.py`, which also prints its resources on SIGUSR1.

Nothing else differs: the server, its settings and its event loop are those of `invitations-gateway serve`.
"""

import asyncio
import json
import os
import signal
from typing import Any
from unittest.mock import patch

import gateway.app
from gateway.cli import main
from gateway.transport import Transport

REPORT = "alive: "


def watch() -> None:
    """Run the command, and report on SIGUSR1."""
    transports: list[Transport] = []

    def new_transport(url: str, **options: Any) -> Transport:
        transports.append(Transport(url, **options))
        return transports[-1]

    def report(*_: object) -> None:
        pool = transports[-1].connections
        line = REPORT + json.dumps({"tasks": len(asyncio.all_tasks()), **pool}) + "\n"
        os.write(1, line.encode())  # in a single write: another thread writes the log to the same pipe

    signal.signal(signal.SIGUSR1, report)
    with patch.object(gateway.app, "Transport", new_transport):
        main()


if __name__ == "__main__":
    watch()
