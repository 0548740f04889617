"""The command line."""

import asyncio
import difflib
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import SecretStr

from gateway import __version__
from gateway.server.descriptors import TooFewDescriptors, raise_limit
from gateway.settings import PREFIX, Settings, SettingsError, load_settings, unknown_variables
from gateway.sink import open_standard_descriptors, sink_of

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """GraphQL in front of Microsoft Graph's LinkedIn invitations API."""
    open_standard_descriptors()


def _shown(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default or "none")


def _setting(name: str) -> Callable[[_Command], _Command]:
    """Return the option of a setting. It sets the setting's variable, so both are read and validated in one place."""
    field = Settings.model_fields[name]
    option = "--" + name.replace("_", "-")

    def set_variable(_context: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)

    return click.option(
        f"{option}/--no-{name.replace('_', '-')}" if field.annotation is bool else option,
        default=None,
        type=bool if field.annotation is bool else str,
        expose_value=False,
        callback=set_variable,
        metavar=None if field.annotation is bool else name.upper(),
        help=f"{field.description}  [default: {_shown(field.default)}; variable: {PREFIX}{name.upper()}]",
    )


def _settings(*names: str) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for name in reversed(names):
            command = _setting(name)(command)
        return command

    return decorate


_data = click.option("--data", type=click.Path(path_type=Path), help="SQLite file of the sandbox  [default: in memory]")


@main.command()
@_settings("host", "port", "log_level", "playground", "introspection", "cors_origins")
@_data
def dev(data: Path | None) -> None:
    """Serve the gateway with an embedded sandbox API. It needs no account or token, and sends nothing to anyone."""
    from gateway.app import create_app  # noqa: PLC0415 (half a second that `--help` saves)
    from gateway.sandbox import SANDBOX_TOKEN  # noqa: PLC0415
    from gateway.server.run import run  # noqa: PLC0415

    settings = _load()
    limit = _raise_limit()
    _check_idempotency_store(settings.idempotency_store.get_secret_value())
    with (
        closing(_store(data)) as store,
        closing(_listen(settings.host, settings.port)) as public,
        # The gateway calls its sandbox like any API: through a socket, reachable only from this machine.
        closing(_listen("127.0.0.1", 0)) as private,
    ):
        upstream = f"{_origin(private)}/v1.0"
        app = create_app(
            settings.model_copy(update={"upstream_url": upstream, "upstream_proxy": SecretStr("")}), store=store
        )
        origin = _origin(public)
        _say(f"GraphQL and GraphiQL:  {origin}/graphql")
        _say(f"Sandbox REST API:      {origin}/v1.0/linkedIn/invitations  (bearer token: {SANDBOX_TOKEN})")
        _say(f"Sandbox data:          {data or 'in memory, lost at exit'}")
        run(app, [public, private], limit, settings)


@main.command()
@_settings(*Settings.model_fields)
def serve() -> None:
    """Serve the gateway in front of the REST API at GATEWAY_UPSTREAM_URL."""
    from gateway.server.run import run  # noqa: PLC0415 (as above)

    settings = _load()
    limit = _raise_limit()
    _check_tls(settings.upstream_url)
    _check_idempotency_store(settings.idempotency_store.get_secret_value())
    with closing(_listen(settings.host, settings.port)) as public:
        _say(f"GraphQL at {_origin(public)}/graphql, in front of {settings.upstream_url}")
        run("gateway.app:serve", [public], limit, settings, workers=settings.workers)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on")
@click.option("--port", default=8001, show_default=True, type=click.IntRange(0, 65535), help="port to listen on")
@_data
def sandbox(host: str, port: int, data: Path | None) -> None:
    """Serve only the sandbox API."""
    from gateway.sandbox import create_app  # noqa: PLC0415 (as above)
    from gateway.server.run import run  # noqa: PLC0415

    limit = _raise_limit()
    with closing(_store(data)) as store, closing(_listen(host, port)) as public:
        _say(f"Sandbox REST API: {_origin(public)}/v1.0/linkedIn/invitations")
        run(create_app(store), [public], limit, Settings.model_construct(max_operations=0))


@main.command()
@click.option("--output", type=click.Path(path_type=Path), help="write the schema to this file")
@click.option("--check", type=click.Path(path_type=Path), help="exit with status 1 if this file differs")
def schema(output: Path | None, check: Path | None) -> None:
    """Print the GraphQL schema."""
    from gateway.schema import create_schema  # noqa: PLC0415 (as above)

    sdl = create_schema().as_str() + "\n"
    try:
        if check:
            _check(sdl, check)
        elif output:
            output.write_text(sdl, encoding="utf-8")
        else:
            click.echo(sdl, nl=False)
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{check or output}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None


def _check(sdl: str, file: Path) -> None:
    found = file.read_text(encoding="utf-8")
    if found != sdl:
        lines = difflib.unified_diff(found.splitlines(), sdl.splitlines(), str(file), "the schema", lineterm="")
        click.echo("\n".join(lines))
        sys.exit(1)


def _say(line: str) -> None:
    """Print a line without ever blocking: the gateway must serve even if nobody reads its output."""
    sink_of(sys.stdout).write(line + "\n")


def _warn(line: str) -> None:
    sink_of(sys.stderr).write(f"Warning: {line}\n")
    sink_of(sys.stderr).drain()


def _load() -> Settings:
    for line in unknown_variables():
        _warn(line)
    try:
        return load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _check_tls(upstream_url: str) -> None:
    from gateway.transport import TlsError, tls_context  # noqa: PLC0415 (as above)

    try:
        if upstream_url.startswith("https:"):
            tls_context()
    except TlsError as error:
        raise click.ClickException(str(error)) from None


def _check_idempotency_store(url: str) -> None:
    from gateway.idempotency import StoreRefused, StoreUnavailable, check_store  # noqa: PLC0415 (as above)

    try:
        if url and (warning := asyncio.run(check_store(url))):
            _warn(f"GATEWAY_IDEMPOTENCY_STORE: {warning}")
    except StoreUnavailable as error:
        what = f"GATEWAY_IDEMPOTENCY_STORE: {error}"
        if isinstance(error, StoreRefused) or url.startswith("sqlite:"):
            raise click.ClickException(what) from None
        _warn(f"{what}. Mutations with a key fail until it is available")


def _store(data: Path | None) -> Any:
    from gateway.sandbox import Store, StoreError  # noqa: PLC0415 (as above)

    try:
        return Store(data)
    except StoreError as error:
        raise click.ClickException(str(error)) from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that cannot be encoded for DNS
        reason = getattr(error, "strerror", None) or "not a host name"
        raise click.ClickException(f"cannot listen on {host}, port {port}: {reason}") from None
    return listener


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _raise_limit() -> tuple[int, int]:
    try:
        return raise_limit()
    except TooFewDescriptors as error:
        raise click.ClickException(str(error)) from None
