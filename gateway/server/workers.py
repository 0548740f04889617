"""Several worker processes behind one socket, and how they leave."""

import multiprocessing
import os
import signal
import socket
import threading

from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from gateway.server.signals import IGNORED, SHUTDOWN


class Workers(Multiprocess):
    """Uvicorn's supervisor, which leaves as a single process does.

    Nobody waits in the socket's queue once no worker is there to answer, and a second Ctrl-C ends them all at once.
    """

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        kept = {number: signal.getsignal(number) for number in (*SHUTDOWN, *IGNORED)}
        super().__init__(config, sockets)
        for number, handler in kept.items():  # uvicorn restarts, adds and removes workers on these
            signal.signal(number, handler)

    def terminate_all(self) -> None:
        """Ask the workers to leave; the socket is closed when the last of them has closed it."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def join_all(self) -> None:
        """Wait for the workers, and listen to what is asked meanwhile."""
        for worker in self.processes:
            while worker.exitcode is None:
                worker.process.join(0.1)
                self.handle_signals()

    def handle_int(self) -> None:
        """Leave, or when that has begun, end the workers."""
        if self.should_exit.is_set():
            for worker in self.processes:
                worker.kill()
        super().handle_int()


def leave_with_parent() -> None:
    """Make a worker shut down as on SIGTERM once its supervisor is gone, instead of keeping the port for ever."""
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_leave_after_parent, name="leave-with-parent", daemon=True).start()


def _leave_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
