"""Several worker processes behind one socket, and how they leave."""

from uvicorn.supervisors import Multiprocess


class Workers(Multiprocess):
    """Uvicorn's supervisor, which leaves as a single process does.

    Nobody waits in the socket's queue once no worker is there to answer, and a second Ctrl-C ends them all at once.
    """

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
