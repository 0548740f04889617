"""Every setting: its name, default and bounds.

A setting is read from the variable `GATEWAY_<NAME>`; its command-line option sets that variable.
"""

import os
import re
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import PurePath
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "GATEWAY_"
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)(:[0-9]*)?")


class SettingsError(Exception):
    """An invalid setting. The message is one line that names the variable, without its value."""


def _upstream_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname if _has_address(parts) else None, parts.port
    except ValueError:  # its message would repeat the value
        host = port = None
    if not host or port == 0 or parts.scheme not in ("https", "http") or not url.isascii():
        raise ValueError("must be a URL such as https://graph.microsoft.com/v1.0")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https, or http on a loopback address, since bearer tokens are sent there")
    if parts.query or parts.fragment or "@" in parts.netloc or not re.fullmatch(r"[!-~]*", url):
        raise ValueError("must not contain a user, password, query, fragment or space")
    return url.rstrip("/")


def _proxy(proxy: SecretStr, info: ValidationInfo) -> SecretStr:
    try:
        parts = urlsplit(proxy.get_secret_value())
        fits = parts.scheme == "http" and _has_address(parts) and parts.port != 0
    except ValueError:  # its message would repeat the value
        fits = False
    if proxy and not fits:
        raise ValueError("must be a URL such as http://proxy.example.com:3128")
    if proxy and info.data.get("upstream_url", "").startswith("http:"):
        raise ValueError("must not be set if the upstream URL is http: the proxy could read the bearer tokens")
    return proxy


def _has_address(parts: SplitResult) -> bool:
    """Return whether a URL has a valid host and port: urlsplit reads `[::1]x` as `::1`."""
    user, _, address = parts.netloc.rpartition("@")
    return re.fullmatch(r"[!-~]*", user) is not None and _HOST_AND_PORT.fullmatch(address) is not None


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _idempotency_store(store: SecretStr) -> SecretStr:
    url = store.get_secret_value()
    path = url.removeprefix("sqlite:///")
    is_file = path != url and PurePath(path).name not in {"", ":memory:"} and path[-1:] != "/" and "\0" not in path
    if url and not is_file and not _is_redis(url):
        raise ValueError("must be a URL such as sqlite:////var/lib/gateway/keys.db or rediss://:password@host:6379/0")
    return store


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"redis", "rediss"} and _has_address(parts) and parts.port != 0
    except ValueError:  # its message would repeat the value
        return False
    return fits and not parts.query and not parts.fragment and re.fullmatch(r"(/[0-9]{0,5})?", parts.path) is not None


def _port(value: object) -> object:
    if isinstance(value, str) and value.startswith("tcp://"):
        # Kubernetes sets this variable for a service named gateway.
        raise ValueError("must be a number: set it, rename the service gateway, or set enableServiceLinks to false")
    return value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin):
            raise ValueError("must be origins such as https://app.example.com, separated by commas, or *")
    return origins


class Settings(BaseSettings):
    """The gateway's settings; the README's table describes each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    upstream_url: Annotated[str, AfterValidator(_upstream_url)] = Field(
        default="https://graph.microsoft.com/v1.0", max_length=2000, description="base URL of the REST API"
    )
    upstream_proxy: Annotated[SecretStr, AfterValidator(_proxy)] = Field(
        default=SecretStr(""), max_length=2000, description="URL of an HTTP proxy for requests to the REST API"
    )
    upstream_timeout: float = Field(
        default=10.0,
        ge=0.1,
        le=300,
        allow_inf_nan=False,
        description="timeout in seconds for the REST requests of one field, retries included",
    )
    update_path: Literal["/linkedIn/invitations", "/linkedIn/invitations/{id}"] = Field(
        default="/linkedIn/invitations", description="path of updates; with {id}, the ID is not sent in the body"
    )
    idempotency_store: Annotated[SecretStr, AfterValidator(_idempotency_store)] = Field(
        default=SecretStr(""),
        max_length=2000,
        description="where idempotency keys are kept: sqlite:///path, redis://… or rediss://…",
    )
    host: str = Field(default="127.0.0.1", min_length=1, max_length=255, description="address to listen on")
    port: Annotated[int, BeforeValidator(_port)] = Field(
        default=8000, ge=0, le=65535, description="port to listen on; 0 picks a free one"
    )
    workers: int = Field(default=1, ge=1, le=128, description="number of worker processes")
    max_operations: int = Field(default=4000, ge=1, le=100_000, description="maximum concurrent operations per process")
    shutdown_delay: float = Field(
        default=0.0, ge=0, le=300, allow_inf_nan=False, description="seconds to keep listening after SIGTERM"
    )
    log_level: Literal["info", "debug"] = Field(
        default="info", description="info logs failed REST requests, debug logs all"
    )
    playground: bool = Field(default=True, description="serve GraphiQL to browsers")
    introspection: bool = Field(default=True, description="answer introspection queries")
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)] = Field(
        default=(), max_length=100, description="comma-separated origins that may call the API; * allows all"
    )


def load_settings() -> Settings:
    """Return the settings. Raises SettingsError for the first invalid one."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{PREFIX}{str(first['loc'][0]).upper()}: {message[0].lower()}{message[1:]}") from None


def unknown_variables() -> list[str]:
    """Return a line for each `GATEWAY_…` variable that is not a setting, with the setting that was probably meant."""
    known = sorted(name.upper() for name in Settings.model_fields)
    lines = []
    for name in sorted(os.environ):
        rest = name.upper().removeprefix(PREFIX)
        if rest != name.upper() and rest not in known:
            close = get_close_matches(rest, known, n=1)
            meant = PREFIX + close[0] if close else None
            hint = f"Did you mean {meant}?" if meant else f"Settings: {', '.join(PREFIX + each for each in known)}"
            lines.append(f"{name} is not a setting. {hint}")
    return lines
