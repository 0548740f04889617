"""Sockets below the event loop: what the kernel knows about them, and what closes them."""

import asyncio
import select
import socket
import sys
from collections.abc import Callable


def readability(descriptor: int) -> Callable[[], bool]:
    """Return a function that returns whether a socket has something to read."""
    if not hasattr(select, "poll"):  # Windows, where select() takes descriptors of any value
        return lambda: bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(0))


def all_arrived(descriptor: int) -> bool:
    """Return whether the peer has received everything written to a TCP socket; False if that is not known."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 (not on Windows)
    import termios  # noqa: PLC0415

    try:
        return not any(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))  # SIOCOUTQ, tcp(7)
    except OSError:
        return False


def disown(sock: socket.socket) -> None:
    """Leave a failed connection's descriptor to the event loop that owns it.

    If the peer resets the connection before `create_connection` returns, uvloop 0.23 closes the descriptor but forgets
    the socket object. The object's finalizer would then close whatever has that number by then: another caller's
    connection. asyncio closes the object itself.
    """
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        sock.detach()
