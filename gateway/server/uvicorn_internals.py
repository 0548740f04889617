"""Everything undocumented that the server uses of uvicorn, whose documentation covers options but no classes.

`tests/libraries/test_uvicorn.py` lists the attributes and methods that the subclasses here rely on, and shows
what breaks when a new version changes them.
"""

from typing import Any

from uvicorn.config import STARTUP_FAILURE  # a worker exits with it so that its supervisor starts no other
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl  # extended: an application must not resume paused reading
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle  # extended: writes a response
from uvicorn.server import ServerState  # lists the open connections, to limit and abort them
from uvicorn.supervisors import Multiprocess  # extended: the signals and the shutdown of several workers

__all__ = [
    "STARTUP_FAILURE",
    "STATUS_LINE",
    "FlowControl",
    "HttpToolsProtocol",
    "Multiprocess",
    "RequestResponseCycle",
    "ServerState",
]


class HttpToolsProtocol(httptools_impl.HttpToolsProtocol):
    """The protocol of an HTTP/1.1 connection: its ASGI side is used, its handling of bytes is replaced."""

    cycle_class = RequestResponseCycle

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = self.cycle_class  # uvicorn has no option for it
        super()._start_asgi_task(cycle, app)
