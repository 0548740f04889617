"""Mutations with idempotency keys, and gateways that accept them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from support.commands import limited, started
from support.gateway import Gateway, GatewayProcess, running_gateway
from support.invitations_upstream import Handler, Reply, Request, json_answer
from support.servers import serve_app
from support.waiting import LIMIT

from gateway.app import create_app
from gateway.sandbox import Store
from gateway.settings import Settings

CREATE = """mutation ($key: String, $input: CreateInvitationInput!) {
  createInvitation(input: $input, idempotencyKey: $key) { id inviter } }"""
UPDATE = """mutation ($key: String, $input: UpdateInvitationInput!) {
  updateInvitation(input: $input, idempotencyKey: $key) { id inviter } }"""
INPUT = {"inviter": "a", "invitee": "b", "message": {}}
CHANGES = {"id": "1", "inviter": "a"}


def create(key: str, **other: object) -> tuple[str, dict[str, object]]:
    """Return a document and its variables."""
    return CREATE, {"key": key, "input": {**INPUT, **other}}


def update(key: str, **other: object) -> tuple[str, dict[str, object]]:
    """Return a document and its variables."""
    return UPDATE, {"key": key, "input": {**CHANGES, **other}}


MUTATIONS: dict[str, Callable[..., tuple[str, dict[str, object]]]] = {"create": create, "update": update}


def new_key() -> str:
    return str(uuid4())


def serving(send: Reply, read: Reply | None = None) -> Handler:
    """Return a handler that sends one reply to each mutation, and another to each read."""
    found = json_answer(200, {"id": "1", "inviter": "as read"})

    def handler(request: Request) -> Reply:
        return (found if read is None else read) if request.method == "GET" else send

    return handler


@contextmanager
def gateway_with_memory(upstream: str) -> Iterator[Gateway]:
    """Run a gateway that keeps keys in memory, as `dev` does, but in front of another API."""
    settings = Settings.model_validate({"upstream_url": f"{upstream}/v1.0", "upstream_timeout": LIMIT})
    with serve_app(create_app(settings, store=Store())) as url, Gateway(url) as gateway:
        yield gateway


@contextmanager
def gateway_with_file(upstream: str, file: Path) -> Iterator[Gateway]:
    """Run a gateway that keeps keys in a file."""
    with running_gateway(upstream, idempotency_store=f"sqlite:///{file}") as gateway:
        yield gateway


@contextmanager
def keyed_process(
    upstream: str, file: Path, *, before: str = "pass", ulimit: str | None = None, **settings: object
) -> Iterator[GatewayProcess]:
    """Run `serve` with a file for keys. `before` is a line of Python to execute first."""
    program = [sys.executable, "-c", f"{before}\nfrom gateway import cli\nif __name__ == '__main__': cli.main()"]
    given = {"UPSTREAM_URL": f"{upstream}/v1.0", "UPSTREAM_TIMEOUT": 300, "IDEMPOTENCY_STORE": f"sqlite:///{file}"}
    variables = {f"GATEWAY_{name}": str(value) for name, value in {**given, **settings}.items()}
    with (
        started("serve", "--port", "0", variables=variables, program=program, sh=limited(ulimit)) as command,
        GatewayProcess(command) as gateway,
    ):
        yield gateway


LATER = """
import time
from gateway.idempotency.once import Once
Once.__init__.__kwdefaults__["clock"] = lambda: time.time() + 1000
"""
"""Makes a process's clock run 1000 seconds ahead: longer than a lease."""
