"""Connects a socket to one of several addresses.

All addresses of a host are tried, each one as soon as the one before has failed or has not connected within a quarter
of a second (RFC 8305): a dead address must not use up the time that the others need.
"""

import asyncio
import socket
from typing import cast

from aiohappyeyeballs import start_connection

from gateway.transport.addresses import AddressInfo

NEXT_ADDRESS_AFTER = 0.25
"""RFC 8305's "Connection Attempt Delay", in seconds. It is less if there is less time for each address."""


async def connect_one_of(found: list[AddressInfo], until: float | None) -> socket.socket:
    """Return a socket that is connected to the first address that answers.

    The caller ends this at `until` (event loop time). Raises OSError or RuntimeError.
    """
    delay = NEXT_ADDRESS_AFTER
    if until is not None:
        left = until - asyncio.get_running_loop().time()
        delay = max(min(delay, left / (len(found) + 1)), 0.001)
    task = cast("asyncio.Task[object]", asyncio.current_task())
    cancelled = task.cancelling()
    sock = await start_connection(found, happy_eyeballs_delay=delay, interleave=0)
    if task.cancelling() > cancelled:  # start_connection ignores this while it cancels the other attempts
        sock.close()
        raise asyncio.CancelledError
    return sock
