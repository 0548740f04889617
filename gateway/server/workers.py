"""Several worker processes behind one socket, and how they shut down."""

import multiprocessing
import os
import signal
import socket
import threading

from uvicorn import Config

from gateway.server.signals import IGNORED, SHUTDOWN
from gateway.server.uvicorn_internals import Multiprocess


class Workers(Multiprocess):
    """uvicorn's supervisor, except that it shuts down like a single process.

    No client waits in the socket's queue once no worker is left to answer, and a second Ctrl-C kills all workers.
    """

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        kept = {number: signal.getsignal(number) for number in (*SHUTDOWN, *IGNORED)}
        super().__init__(config, sockets)
        for number, handler in kept.items():  # uvicorn would restart, add and remove workers on these
            signal.signal(number, handler)

    def terminate_all(self) -> None:
        """Tell the workers to shut down. The socket closes when the last of them has closed it."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def join_all(self) -> None:
        """Wait for the workers, and handle signals meanwhile."""
        for worker in self.processes:
            while worker.exitcode is None:
                worker.process.join(0.1)
                self.handle_signals()

    def handle_int(self) -> None:
        """Shut down; if that has already begun, kill the workers."""
        if self.should_exit.is_set():
            for worker in self.processes:
                worker.kill()
        super().handle_int()


def leave_with_parent() -> None:
    """Make a worker shut down as on SIGTERM when its supervisor is gone, instead of keeping the port forever."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_leave_after_parent, name="leave-with-parent", daemon=True).start()


def _leave_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
