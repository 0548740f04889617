"""A reverse proxy that serves the gateway under a path prefix, without telling it."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding"}


def prefix_proxy(prefix: str, gateway: str) -> Starlette:
    """Return the proxy. `prefix` starts with a slash; the base URL `gateway` does not end with one."""

    async def forward(request: Request) -> Response:
        url = f"{gateway}{request.url.path.removeprefix(prefix)}?{request.url.query}"
        headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(request.method, url, headers=headers, content=await request.body())
        kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP | {"content-encoding"}}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route(prefix + "{path:path}", forward, methods=["GET", "POST", "OPTIONS"])])
