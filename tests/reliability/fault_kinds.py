"""Every upstream fault, where it can occur, and the response that the gateway must give."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.certificates import self_signed
from support.operations import Operation
from support.scripted_upstream import Script, ScriptedUpstream, UpstreamConnection, answer
from support.servers import refusing_url
from support.upstream_faults import FAULTS, HANGING, LOST, NOT_HTTP, sending

INVITATION = b'{"id": "1", "value": []}'
"""Both an invitation and a page."""
GOOD = answer(200, INVITATION)
WORKING = sending(answer(200, INVITATION, b"Connection: close"))
"""A working upstream: it answers one request per connection."""

PATIENT, HASTY = 60.0, 1.0
"""Timeouts in seconds: for fast responses, and for responses that never come."""

UNAVAILABLE, TIMEOUT = "UPSTREAM_UNAVAILABLE", "UPSTREAM_TIMEOUT"
INVALID, ERROR = "UPSTREAM_INVALID_RESPONSE", "UPSTREAM_ERROR"
UNKNOWN, NOT_APPLIED, APPLIED = "UNKNOWN", "NOT_APPLIED", "APPLIED"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the result that it must have."""

    name: str
    script: Script
    code: str | None
    outcomes: tuple[str | None, ...]
    """The possible outcomes of a mutation: two if it is uncertain how far the request got."""
    mutations: int = 1
    """Number of complete requests that reach the upstream for a mutation; `reads` is the same for a read."""
    reads: int = 1
    in_handshake: bool = False
    """Whether it replaces the TLS handshake."""
    while_idle: Callable[[UpstreamConnection], object] | None = None
    """Called with a connection after its first response; `script` then runs on another connection."""

    def expects(self, operation: Operation, code: object, outcome: object, sent: int) -> bool:
        """Return whether the gateway's response is right."""
        if operation.is_mutation:
            return code == self.code and outcome in self.outcomes and sent == self.mutations
        return code == self.code and outcome is None and sent == self.reads


@dataclass(frozen=True, slots=True)
class Lane:
    """The upstream of one gateway, and the faults that it causes, one after another."""

    name: str
    url: str
    limit: float
    """The gateway's upstream timeout in seconds."""
    faults: list[Fault]
    upstream: ScriptedUpstream | None = None
    """None if no connection is ever made."""
    tls: ssl.SSLContext | None = None
    variables: dict[str, str] = field(default_factory=dict)


def lost() -> list[Fault]:
    """Return the faults after which it is unknown whether the request was processed: reads are retried."""
    return [Fault(name, script, UNAVAILABLE, (UNKNOWN,), reads=3) for name, script in LOST.items()]


def unread() -> list[Fault]:
    """Return the faults that end a connection before the request is read."""
    names = "closes without reading", "resets without reading"
    return [Fault(name, FAULTS[name], UNAVAILABLE, (UNKNOWN, NOT_APPLIED), mutations=0, reads=0) for name in names]


def unusable() -> list[Fault]:
    """Return the responses that are not HTTP, and the successes without a valid invitation."""
    close = b"Connection: close"
    answers = {
        "HTML with a 200": answer(200, b"<html></html>", close, content_type=b"text/html"),
        "an empty 200": answer(200, b"", close),
        "a 200 of another shape": answer(200, b"[]", close),
        "a 200 that is encoded": answer(200, INVITATION, close, b"Content-Encoding: gzip"),
        "a Content-Length that is too short": b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n" + INVITATION,
    }
    return [
        *[Fault(name, script, INVALID, (UNKNOWN,)) for name, script in NOT_HTTP.items()],
        *[Fault(name, sending(content), INVALID, (APPLIED,)) for name, content in answers.items()],
        Fault("100 MB", FAULTS["100 MB"], INVALID, (APPLIED,)),
    ]


def refusals(other_url: str) -> list[Fault]:
    """Return the responses of an intermediary: a proxy's page, and redirects to another host."""
    page = answer(502, b"<html></html>", b"Connection: close", b"Retry-After: 0", content_type=b"text/html")
    location = b"Location: " + other_url.encode() + b"/v1.0/linkedIn/invitations"
    return [
        Fault("HTML with a 502", sending(page), UNAVAILABLE, (UNKNOWN,), reads=3),
        *[
            Fault(
                f"a redirect, {status}", sending(answer(status, b"", location, b"Connection: close")), ERROR, (UNKNOWN,)
            )
            for status in (301, 302, 303, 307, 308)
        ],
    ]


def idle() -> list[Fault]:
    """Return the ways in which an idle connection can end: the next request must not be affected."""
    ends: dict[str, Callable[[UpstreamConnection], object]] = {
        "is closed while idle": UpstreamConnection.close,
        "is reset while idle": UpstreamConnection.reset,
        "is half closed while idle": UpstreamConnection.end,
        "says something while idle": lambda connection: connection.send(answer(408)),
    }
    return [Fault(name, WORKING, None, (None,), while_idle=end) for name, end in ends.items()]


def hanging() -> list[Fault]:
    """Return the faults whose response does not arrive in time."""
    never = {"never reads": 0}
    scripts = {**HANGING, "drips": FAULTS["drips"]}
    return [
        Fault(name, script, TIMEOUT, (UNKNOWN,), mutations=never.get(name, 1), reads=never.get(name, 1))
        for name, script in scripts.items()
    ]


def handshakes(*others: ssl.SSLContext) -> list[Fault]:
    """Return the faults during the TLS handshake, some with these certificates: nothing has been sent."""

    def with_certificate(context: ssl.SSLContext) -> Script:
        return lambda connection: connection.start_tls(context)

    def sending_plainly(connection: UpstreamConnection) -> None:
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.wait_until_client_closes()

    scripts: dict[str, Script] = {
        **{f"a certificate that must not be trusted, {n}": with_certificate(tls) for n, tls in enumerate(others, 1)},
        "plain text for TLS": sending_plainly,
        "closes in the handshake": UpstreamConnection.read_some,
        "resets in the handshake": UpstreamConnection.reset,
    }
    return [_unsent(name, UNAVAILABLE, script) for name, script in scripts.items()]


def _unsent(name: str, code: str, script: Script = WORKING) -> Fault:
    return Fault(name, script, code, (NOT_APPLIED,), mutations=0, reads=0, in_handshake=True)


@contextmanager
def lanes(folder: Path, other: ScriptedUpstream) -> Iterator[list[Lane]]:
    """Start the upstreams. Redirects lead to the other one; certificates are created in the folder."""
    tls, trusted = _certificate(folder / "trusted", "IP:127.0.0.1")
    stranger, _ = _certificate(folder / "stranger", "IP:127.0.0.1")
    misnamed, also_trusted = _certificate(folder / "misnamed", "DNS:api.test")
    trusted.write_bytes(trusted.read_bytes() + also_trusted.read_bytes())
    variables = {"SSL_CERT_FILE": str(trusted)}
    patient = [*lost(), *unread(), *unusable(), *refusals(other.url), *idle()]
    secure = [*patient, *handshakes(stranger, misnamed)]
    slow = [_unsent("hangs in the handshake", TIMEOUT, UpstreamConnection.wait_until_client_closes)]
    with ExitStack() as stack:
        up = [stack.enter_context(ScriptedUpstream(WORKING)) for _ in range(4)]
        over_tls = [f"https://127.0.0.1:{upstream.port}" for upstream in up]
        refusing = stack.enter_context(refusing_url())
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        stack.enter_context(socket.create_connection(full.getsockname()))
        yield [
            Lane("TCP", up[0].url, PATIENT, patient, up[0]),
            Lane("TLS", over_tls[1], PATIENT, secure, up[1], tls, variables),
            Lane("TCP, slow", up[2].url, HASTY, hanging(), up[2]),
            Lane("TLS, slow", over_tls[3], HASTY, [*hanging(), *slow], up[3], tls, variables),
            Lane("refusing", refusing, PATIENT, [_unsent("a refused connection", UNAVAILABLE)]),
            Lane("full", _url(full), HASTY, [_unsent("a connection that is not accepted", TIMEOUT)]),
            Lane("no name", "https://api.invalid", PATIENT, [_unsent("a name that does not exist", UNAVAILABLE)]),
        ]


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    folder.mkdir()
    return self_signed(folder, name)


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
