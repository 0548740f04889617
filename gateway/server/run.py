"""Runs an application on its sockets until a signal stops the process."""

import gc
import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from gateway.server.connections import BoundedConnections
from gateway.server.descriptors import client_connections, tell_limit
from gateway.server.shutdown import Server
from gateway.server.signals import handle_signals
from gateway.server.uvicorn_internals import STARTUP_FAILURE
from gateway.server.workers import Workers, leave_with_parent
from gateway.settings import Settings
from gateway.telemetry import configure_logging, log_bug

SHUTDOWN_FACTOR = 5
"""Time for running requests to finish at shutdown, as a multiple of `GATEWAY_UPSTREAM_TIMEOUT`: enough for
`createInvitations`, which may take four, and one more to answer and for other mutations in its document.
"""
KEEP_ALIVE = 75
"""Seconds before an idle client connection is closed: longer than a proxy's, so that the proxy closes first."""
BACKLOG = 65_535
"""Maximum number of connections that wait to be accepted, unless the kernel has a lower one (on Linux, somaxconn)."""
ACCEPTS = 16
"""Connections accepted in an iteration of the event loop, which takes milliseconds under load. uvloop accepts one of
each listening descriptor; with a single one, thousands of clients that connect at once would wait for seconds."""

_logger = logging.getLogger("gateway.start")


def run(
    app: ASGIApp | str,
    sockets: list[socket.socket],
    limit: tuple[int, int],
    settings: Settings,
    *,
    workers: int = 1,
) -> None:
    """Serve until a signal stops the process. `limit` is the limit on open files before and after it was raised.

    If `app` is a string, it names a function that builds the application in each worker process.
    """
    configure_logging(settings.log_level)
    handle_signals()
    tell_limit(*limit, settings.max_operations)
    config = uvicorn.Config(
        cast("str", app),
        http=cast("type", BoundedConnections(client_connections(settings.max_operations))),
        factory=isinstance(app, str),
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        backlog=BACKLOG,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=ceil(SHUTDOWN_FACTOR * settings.upstream_timeout),
    )
    sockets = listeners(sockets)
    if workers > 1:
        Workers(config, sockets=sockets).run()
    else:
        Server(config).run(sockets=sockets)


def listeners(sockets: list[socket.socket]) -> list[socket.socket]:
    """Return the sockets with their duplicates, to listen on all of them."""
    return [sock.dup() if copy else sock for sock in sockets for copy in range(ACCEPTS)]


@contextmanager
def worker_start() -> Iterator[None]:
    """Prepare a worker process around the building of its application.

    If that fails, exit with the status that tells uvicorn's supervisor not to restart it: a new worker would fail, too.
    """
    handle_signals()
    leave_with_parent()
    try:
        yield
    except Exception as error:  # noqa: BLE001 (any error would recur in a new worker)
        log_bug(_logger, error)
        sys.exit(STARTUP_FAILURE)
    # The objects created so far are permanent: keep the garbage collector away from them. Requests create few cycles,
    # and thousands in flight are many objects to look through, so collect rarely.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
