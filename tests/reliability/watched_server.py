"""The installed command, started by `watched.py`: it also prints what is alive in it whenever it gets SIGUSR1.

Only that is added: the server, its settings and its event loop are those of `invitations-gateway serve`.
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

    def new_transport(**options: Any) -> Transport:
        transports.append(Transport(**options))
        return transports[-1]

    def report(*_: object) -> None:
        pool = transports[-1].connections
        line = REPORT + json.dumps({"tasks": len(asyncio.all_tasks()), **pool}) + "\n"
        os.write(1, line.encode())  # in one piece: the log is written to the same pipe by a thread of its own

    signal.signal(signal.SIGUSR1, report)
    with patch.object(gateway.app, "Transport", new_transport):
        main()


if __name__ == "__main__":
    watch()
