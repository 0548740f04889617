"""The gateway in a process of its own, with a log to read."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from support.gateway import LIMIT, RunningCommand, started
from support.servers import serve_app

from gateway.sandbox import Store, create_app


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A running gateway."""

    url: str
    """`http://127.0.0.1:port`, without a trailing slash."""
    command: RunningCommand

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> str:
        """Return everything printed and logged so far."""
        return self.command.output

    def log_of(self, request_id: str) -> list[str]:
        """Wait until a request's access line is logged, and return all lines of that request."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            lines = [line for line in self.log().splitlines() if line.endswith(f" request_id={request_id}")]
            if any(" gateway.access " in line for line in lines):
                return lines
            time.sleep(0.01)
        raise AssertionError(f"request {request_id} is not in the log:\n{self.log()}")


@contextmanager
def gateway_process(*words: str, ulimit: str | None = None, **settings: str) -> Iterator[GatewayProcess]:
    """Run a command on a free port, optionally with its own `ulimit`. Settings are passed as `UPSTREAM_URL=…`."""
    variables = {f"GATEWAY_{name}": value for name, value in settings.items()}
    with started(*words, "--port", "0", variables=variables, ulimit=ulimit) as command:
        yield GatewayProcess(command.url_before("/graphql"), command)


@contextmanager
def gateway_before_sandbox(**settings: str) -> Iterator[GatewayProcess]:
    """Run `serve` in front of its own sandbox."""
    with (
        closing(Store()) as store,
        serve_app(create_app(store)) as upstream,
        gateway_process("serve", UPSTREAM_URL=f"{upstream}/v1.0", **settings) as gateway,
    ):
        yield gateway
