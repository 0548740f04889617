"""Connects a socket to one of several addresses.

All addresses of a host are tried, each one as soon as the one before has failed or has not connected within a quarter
of a second (RFC 8305): a dead address must not use up the time that the others need.
"""

import asyncio
import socket
from typing import cast

from aiohappyeyeballs import start_connection

from gateway.transport.addresses import AddressInfo
from gateway.transport.patience import Within

NEXT_ADDRESS_AFTER = 0.25
"""RFC 8305's "Connection Attempt Delay", in seconds. It is less if there is less time for each address."""
AT_ONCE = 3
"""Maximum number of addresses that are tried at once: each takes a descriptor. `gateway.server.descriptors` counts
them."""


async def connect_one_of(found: list[AddressInfo], until: float | None) -> socket.socket:
    """Return a socket that is connected to the first address that answers.

    The caller ends this at `until` (event loop time). If there are more than `AT_ONCE` addresses, each group of that
    many has an equal share of the time. Raises OSError or RuntimeError.
    """
    loop = asyncio.get_running_loop()
    while True:
        group, found = found[:AT_ONCE], found[AT_ONCE:]
        delay, end = NEXT_ADDRESS_AFTER, None
        if until is not None:
            now = loop.time()
            share = (until - now) / (1 + -(-len(found) // AT_ONCE))
            delay = max(min(delay, share / (len(group) + 1)), 0.001)
            end = now + share
        try:
            async with Within(end if found else None):  # the caller ends the last one
                return await _race(group, delay)
        except (OSError, RuntimeError):
            if not found:
                raise


async def _race(found: list[AddressInfo], delay: float) -> socket.socket:
    task = cast("asyncio.Task[object]", asyncio.current_task())
    cancelled = task.cancelling()
    sock = await start_connection(found, happy_eyeballs_delay=delay, interleave=0)
    if task.cancelling() > cancelled:  # start_connection ignores this while it cancels the other attempts
        sock.close()
        raise asyncio.CancelledError
    return sock
