"""Health checks for supervisors and load balancers."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


class Health:
    """`/healthz` returns 200 while the process runs, `/readyz` until it shuts down. Neither calls the REST API."""

    def __init__(self) -> None:
        self._ready = True

    def routes(self) -> list[Route]:
        """Return the two routes."""
        return [Route("/healthz", self._healthz), Route("/readyz", self._readyz)]

    def shutting_down(self) -> None:
        """Make `/readyz` fail from now on."""
        self._ready = False

    async def _healthz(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("ready\n") if self._ready else PlainTextResponse("shutting down\n", 503)
