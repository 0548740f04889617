"""Requests whose body uvicorn would take for the next request."""

from collections.abc import Container

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

NO_UPGRADE = "A request with a body must have no Upgrade header: HTTP/1.1 is spoken here."


def hides_its_body(names: Container[bytes]) -> bool:
    """Say whether a request's body will be read as another request, by the names of its headers.

    httptools takes what follows a head with `Upgrade` for another protocol's, and gives it back as unread.
    """
    return b"upgrade" in names and (b"content-length" in names or b"transfer-encoding" in names)


class NoUpgrade:
    """ASGI middleware: refuses such a request and closes its connection, so that nothing behind it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and hides_its_body(dict(scope["headers"])):
            await PlainTextResponse(NO_UPGRADE, 400, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)
