"""Start gateways for tests: in this process, or as the installed command in its own process."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Self
from uuid import uuid4

import httpx
from support.commands import RunningCommand, limited, started
from support.processes import resident
from support.servers import serve_app
from support.waiting import LIMIT, wait_until

from gateway.app import create_app
from gateway.sandbox import Store
from gateway.sandbox import create_app as create_sandbox
from gateway.settings import Settings

TOKEN = "Bearer token-of-the-test"
OWN = "own"
"""Stands for a gateway's own `authorization`."""


class Gateway:
    """A running gateway, and a client for its `/graphql`."""

    def __init__(self, url: str) -> None:
        self.url = url
        """`http://127.0.0.1:port`, without a trailing slash."""
        self.authorization = TOKEN
        """The header of requests that are not given another one, or None for none."""
        self._client = httpx.Client(base_url=url, timeout=LIMIT, trust_env=False)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def as_another_user(self) -> None:
        """Use a new token: the gateway remembers for each token that the upstream throttles it."""
        self.authorization = f"Bearer {uuid4()}"

    def get(self, path: str) -> httpx.Response:
        """Get a path over a new connection."""
        return httpx.get(self.url + path, timeout=LIMIT, trust_env=False)

    def post(self, query: str, variables: object = None, *, authorization: str | None = OWN) -> httpx.Response:
        """Send a GraphQL request as a frontend does."""
        headers = {"Accept": "application/graphql-response+json, application/json"}
        if authorization is not None:
            headers["Authorization"] = self.authorization if authorization == OWN else authorization
        body = {"query": query, "variables": variables}
        return self._client.post("/graphql", json=body, headers=headers)

    def raw(self, body: bytes) -> httpx.Response:
        """Send any body, not necessarily a GraphQL request."""
        return self._client.post("/graphql", content=body, headers={"Content-Type": "application/json"})

    def run(self, query: str, variables: object = None, *, authorization: str | None = OWN) -> dict[str, Any]:
        """Send a GraphQL request that must be executed, and return its response: `data`, and `errors` if any."""
        response = self.post(query, variables, authorization=authorization)
        assert response.status_code == 200, response.text
        content: dict[str, Any] = response.json()
        assert set(content) <= {"data", "errors"}
        return content

    def data(self, query: str, variables: object = None, *, authorization: str | None = OWN) -> Any:
        """Send a GraphQL request that must succeed, and return its `data`."""
        content = self.run(query, variables, authorization=authorization)
        assert "errors" not in content, content
        return content["data"]

    def error(self, query: str, variables: object = None, *, authorization: str | None = OWN) -> dict[str, Any]:
        """Send a GraphQL request whose only field must fail, and return its only error."""
        content = self.run(query, variables, authorization=authorization)
        assert content["data"] is not None
        assert set(content["data"].values()) == {None}
        (error,) = content["errors"]
        assert set(error) == {"message", "locations", "path", "extensions"}
        return dict(error)

    def refusal(self, query: str, variables: object = None, *, authorization: str | None = OWN) -> dict[str, Any]:
        """Send a GraphQL request that must be refused, and return its first error."""
        response = self.post(query, variables, authorization=authorization)
        assert response.status_code == 400, response.text
        content = response.json()
        assert "data" not in content
        return dict(content["errors"][0])


class GatewayProcess(Gateway):
    """A gateway in its own process, with a readable log."""

    def __init__(self, command: RunningCommand) -> None:
        super().__init__(command.url_before("/graphql"))
        self.command = command

    @property
    def pid(self) -> int:
        return self.command.process.pid

    def resident(self, figure: str = "VmRSS") -> float:
        """Return its memory in MB, or the peak (`VmHWM`)."""
        return resident(self.pid, figure)

    def log(self) -> str:
        """Return everything printed and logged so far."""
        return self.command.output

    def log_of(self, request_id: str) -> list[str]:
        """Wait until a request's access line is logged, and return all lines about that request."""

        def lines() -> list[str]:
            found = [line for line in self.log().splitlines() if line.endswith(f" request_id={request_id}")]
            return found if any(" gateway.access " in line for line in found) else []

        return wait_until(lines, f"request {request_id} is in the log")


@contextmanager
def running_gateway(upstream: str, **settings: object) -> Iterator[Gateway]:
    """Run the gateway in this process with these settings, in front of an upstream (a base URL without its path)."""
    merged = {"upstream_url": f"{upstream}/v1.0", "upstream_timeout": LIMIT, **settings}
    with serve_app(create_app(Settings.model_validate(merged))) as url, Gateway(url) as gateway:
        yield gateway


@contextmanager
def gateway_process(
    *words: str, ulimit: str | None = None, python_path: str | None = None, **settings: Any
) -> Iterator[GatewayProcess]:
    """Run a command on a free port, optionally with its own `ulimit` and folder to import from.

    Settings are passed as `UPSTREAM_URL=…`.
    """
    variables = {f"GATEWAY_{name}": str(value) for name, value in settings.items()}
    if python_path:
        variables["PYTHONPATH"] = python_path
    with (
        started(*words, "--port", "0", variables=variables, sh=limited(ulimit)) as command,
        GatewayProcess(command) as gateway,
    ):
        yield gateway


@contextmanager
def gateway_before_sandbox(**settings: Any) -> Iterator[GatewayProcess]:
    """Run `serve` in front of a sandbox of its own."""
    with (
        closing(Store()) as store,
        serve_app(create_sandbox(store)) as upstream,
        gateway_process("serve", UPSTREAM_URL=f"{upstream}/v1.0", **settings) as gateway,
    ):
        yield gateway
