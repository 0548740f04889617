"""Sockets below the event loop: what the kernel knows before it, and who closes them."""

import asyncio
import select
import socket
import sys
from collections.abc import Callable


def readability(descriptor: int) -> Callable[[], bool]:
    """Make the function that tells whether a socket has something to read."""
    if not hasattr(select, "poll"):  # Windows, where select() has no bound on the descriptor's value
        return lambda: bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: bool(poll.poll(0))


def all_arrived(descriptor: int) -> bool:
    """Tell whether the other end has received all that was written to a TCP socket; False where that is not known."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 (not on Windows)
    import termios  # noqa: PLC0415

    try:
        return not any(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))  # SIOCOUTQ, tcp(7)
    except OSError:
        return False


def disown(sock: socket.socket) -> None:
    """Leave the descriptor of a connection that failed to the event loop that has it.

    uvloop 0.23 closes the descriptor, but forgets the socket object when the peer has reset the connection before
    `create_connection` returned. The object's finalizer would then close whatever has that number by then: another
    caller's connection. asyncio closes the object itself.
    """
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        sock.detach()
