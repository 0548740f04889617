"""Assembles the gateway from its parts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import sandbox
from gateway.engine import Engine
from gateway.http import GraphQLEndpoint
from gateway.http.graphiql import GraphiQL
from gateway.http.health import Health
from gateway.idempotency import MemoryStore, Once, open_store
from gateway.invitations import Caller, InvitationsClient, Throttle
from gateway.schema import Context, create_schema
from gateway.server.descriptors import client_connections, upstream_connections
from gateway.server.run import worker_start
from gateway.server.shutdown import announced_shutdown
from gateway.settings import Settings, load_settings
from gateway.telemetry import AccessLog, RequestLog, configure_logging, log_loop_error
from gateway.transport import Transport, tls_context

MAX_RESPONSE = 8_000_000
"""Maximum bytes of a REST response: ten times a page of a hundred invitations with long messages."""
LATENCY_SHARE = 0.5
"""Share of the timeout that a REST request may be expected to take when it is sent."""
LOCAL_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


def create_app(settings: Settings, *, store: sandbox.Store | None = None) -> ASGIApp:
    """Return the gateway's application.

    With a `store`, it is for development: it also serves the sandbox, supplies a missing token, allows pages on this
    machine to call it, and keeps idempotency keys in memory.
    """
    url = settings.upstream_url
    transport = _transport(settings)
    client = InvitationsClient(transport, url=url, timeout=settings.upstream_timeout, update_path=settings.update_path)
    once = _once(settings, in_memory=store is not None)
    sandbox_headers = {b"authorization": b"Bearer " + sandbox.SANDBOX_TOKEN.encode()}

    def context(headers: Mapping[bytes, bytes]) -> Context:
        return Context(client.for_caller(Caller.read({**sandbox_headers, **headers} if store else headers)), once)

    health = Health()
    graphiql = GraphiQL(upstream=url, sandbox=store is not None) if settings.playground else None
    endpoint = GraphQLEndpoint(
        Engine(create_schema(), introspection=settings.introspection),
        context=context,
        playground=graphiql.page if graphiql else None,
        max_operations=min(settings.max_operations, client_connections(settings.max_operations)),
    )
    routes = [
        *health.routes(),
        *(graphiql.routes() if graphiql else []),
        *(sandbox.routes(store) if store else []),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(log_loop_error)
        async with _shared_throttle(settings, client.rest.throttle):
            with announced_shutdown(health.shutting_down, settings.shutdown_delay):
                yield
        await transport.aclose()
        if once:
            await once.aclose()

    others = Starlette(routes=routes, lifespan=lifespan)
    others.router.redirect_slashes = False  # A redirect would send the bearer token over the network once more.

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's routing takes longer than the engine takes for an operation.
        graphql = scope["type"] == "http" and scope["path"] == "/graphql"
        await (endpoint if graphql else others)(scope, receive, send)

    return RequestLog(_with_cors(app, settings, local=store is not None), AccessLog())


def _transport(settings: Settings) -> Transport:
    url = settings.upstream_url
    return Transport(
        url,
        max_response_bytes=MAX_RESPONSE,
        max_connections=upstream_connections(settings.max_operations),
        max_latency=settings.upstream_timeout * LATENCY_SHARE,
        ssl_context=tls_context() if url.startswith("https:") else None,
        proxy=settings.upstream_proxy.get_secret_value() or None,
    )


def _once(settings: Settings, *, in_memory: bool) -> Once | None:
    url = settings.idempotency_store.get_secret_value()
    if not url and not in_memory:
        return None
    return Once(open_store(url) if url else MemoryStore(), longest=settings.upstream_timeout)


@asynccontextmanager
async def _shared_throttle(settings: Settings, throttle: Throttle) -> AsyncIterator[None]:
    """Share a throttle with other processes meanwhile, if the store is in Redis."""
    url = settings.idempotency_store.get_secret_value()
    if not url.startswith(("redis:", "rediss:")):
        yield
        return
    from gateway.invitations.shared_throttle import SharedThrottle  # noqa: PLC0415 (an extra)

    shared = SharedThrottle(url, throttle)
    shared.start()
    try:
        yield
    finally:
        await shared.aclose()


def serve() -> ASGIApp:
    """Return the application of a worker process, configured by the environment. uvicorn calls it."""
    with worker_start():
        settings = load_settings()
        configure_logging(settings.log_level)
        return create_app(settings)


def _with_cors(app: ASGIApp, settings: Settings, *, local: bool) -> ASGIApp:
    if not settings.cors_origins and not local:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_origin_regex=LOCAL_ORIGINS if local else None,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["X-Request-Id", "Retry-After"],
    )
