"""A Redis server in its own process, which can be killed, stopped and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.requirements import need
from support.servers import free_port
from support.waiting import LIMIT, wait_until

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class RedisServer:
    """Keeps what it has acknowledged, like the server that the README describes."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("redis-server")
        need(program, "redis-server is needed")
        self.port = free_port()
        self._command = [str(program), "--dir", str(folder), "--port", str(self.port), "--save", "", *options]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._answers, "redis-server answers")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(LIMIT)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the process: it accepts connections, but does not answer."""
        assert self._process
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), LIMIT) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100)[:5] in {b"+PONG", b"-NOAU"}
        return False


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Run a server, and remove its data at the end."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), *(options or DURABLE))
        server.start()
        try:
            yield server
        finally:
            server.kill()
