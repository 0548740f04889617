"""All that is used of uvicorn beyond its documentation, which has its options and no class that could be extended.

`tests/libraries/test_uvicorn.py` names the attributes and methods that the subclasses here and beside it rely on, and
says what breaks with each when a new version changes it.
"""

from uvicorn.config import STARTUP_FAILURE  # with this status a worker tells its supervisor not to start another one
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl  # pauses reading, also while the gateway wants it paused
from uvicorn.server import ServerState  # knows the open connections: their number is bounded, and they are ended
from uvicorn.supervisors import Multiprocess  # the supervisor of several workers, whose signals and end are changed

__all__ = ["STARTUP_FAILURE", "FlowControl", "HttpToolsProtocol", "Multiprocess", "ServerState"]


class HttpToolsProtocol(httptools_impl.HttpToolsProtocol):
    """The protocol of an HTTP/1.1 connection: the ASGI side of it is used, and what it does with bytes is replaced."""

    stop_keep_alive = httptools_impl.HttpToolsProtocol._unset_keepalive_if_required  # noqa: SLF001
    """Stop the time limit of an idle connection."""
