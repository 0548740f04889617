"""The server in this process."""

import socket

import uvicorn


class Server(uvicorn.Server):
    """Uvicorn's server, which ends in time: it could wait for ever for a client that does not read.

    Worker processes do not need it: the SIGTERM of their supervisor ends them when the server is done.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down, and cut off the clients that are still connected then."""
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
