"""Send good and bad traffic with secrets in every possible place, and scan the log for them.

python -m reliability.secrets_in_logs
"""

import json
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from support.gateway import GatewayProcess, gateway_process
from support.invitations_upstream import InvitationsUpstream, always, json_answer
from support.raw_http import RawConnection, request

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) [a-z.]+ [ -~]*")
FORGED = "2026-01-01T00:00:00.000Z ERROR gateway.http bug=forged"
BREAKS = ("\n", "\r\n", "\r", "\u2028", "\x85", "\x0b", "\x0c", "\x1b[2K", "\\n", "%0a", "\0")


@dataclass(slots=True)
class Secrets:
    """Generate secrets, and remember them."""

    made: dict[str, str] = field(default_factory=dict)

    def __call__(self, where: str) -> str:
        """Return a new secret for this place."""
        secret = f"secret{secrets.token_hex(12)}"
        self.made[secret] = where
        return secret

    def found_in(self, log: str) -> list[str]:
        """Return the places whose secrets are in the log."""
        return [where for secret, where in self.made.items() if secret in log]


def graphql(query: str, variables: object, *headers: bytes) -> bytes:
    """Return the bytes of a POST request."""
    return request(json.dumps({"query": query, "variables": variables}).encode(), *headers)


def by_get(query: str, *headers: bytes) -> bytes:
    """Return the bytes of a GET request."""
    return request(None, *headers, method=b"GET", target=b"/graphql?query=" + quote(query).encode())


def requests(secret: Secrets) -> Iterator[bytes]:
    """Yield good and bad requests with a secret in each place."""
    token = b"Authorization: Bearer " + secret("a bearer token").encode()
    create = "mutation ($v: CreateInvitationInput!) { createInvitation(input: $v) { id inviter trackingId } }"
    message = {
        "invitationMessage": {"body": secret("an invitation's text")},
        "invitationTemplateID": secret("a template"),
    }
    good = {"inviter": secret("an inviter"), "invitee": secret("an invitee"), "message": message}
    yield graphql(create, {"v": good}, token)
    yield graphql(create, {"v": good})
    yield graphql(create, {"v": good}, b"Authorization: Basic " + secret("a password").encode())
    yield graphql(create, {"v": {**good, "created": secret("a wrong date")}}, token)
    yield graphql(create, {"v": {**good, secret("a wrong name"): 1}}, token)
    yield graphql(create, {"v": [secret("a wrong input")]}, token)
    yield graphql('{{ invitation(id: "{}") {{ id }} }}'.format(secret("an id")), None, token)
    yield graphql("query ($v: ID!) { invitation(id: $v) { id } }", {"v": secret("an id in variables")}, token)
    yield graphql('{{ invitations(after: "{}") {{ nodes {{ id }} }} }}'.format(secret("a cursor")), None, token)
    yield graphql('{{ invitations(first: "{}") {{ nodes {{ id }} }} }}'.format(secret("a wrong number")), None, token)
    yield graphql('{{ invitation(id: "{}'.format(secret("an open string")), None, token)
    yield graphql(
        'mutation {{ createInvitation(input: {{message: {{invitationMessage: {{body: "{}"}}}}}}) {{ id }} }}'.format(
            secret("a literal")
        ),
        None,
        token,
    )
    yield graphql("{{ __typename # {}\n}}".format(secret("a comment")), None, token)
    yield graphql("{ __typename(" + secret("a wrong argument") + ": 1) }", None, token)
    yield by_get('{{ invitation(id: "{}") {{ id }} }}'.format(secret("an id in a URL")), token)
    yield by_get('{{ invitation(id: "{}'.format(secret("an open string in a URL")), token)
    yield request(None, token, method=b"GET", target=b"/graphql?access_token=" + secret("a token in a URL").encode())
    yield request(b'{"query": "' + secret("half a body").encode(), token)
    yield request(secret("no JSON").encode(), token, content_type=b"text/plain")
    yield request(b"{}", token, b"Cookie: a=" + secret("a cookie").encode())
    yield request(b"{}", token, token, b"X-Api-Key: " + secret("a header").encode())
    yield request(b"{}", b"Authorization: Bearer \xff" + secret("a token that is not ASCII").encode())
    yield request(b"{}", b"Accept: " + secret("an Accept header").encode(), token)


def forgeries() -> Iterator[bytes]:
    """Yield requests that try to forge a line in the log."""
    for text in BREAKS:
        forged = f"x{text}{FORGED}"
        yield request(None, method=b"GET", target=b"/" + quote(forged).encode())
        yield graphql(f"query A {{ invitation(id: {json.dumps(forged)}) {{ id }} }}", None)
        body = {"query": "{ __typename }", "operationName": forged}
        yield request(json.dumps(body).encode(), b"X-Request-Id: x;" + quote(forged).encode())
        if text.isprintable() or text in "\u2028\x85\x0b\x0c":
            yield request(b"{}", b"X-Request-Id: " + forged.encode())
            yield request(b"{}", b"Origin: " + forged.encode(), b"User-Agent: " + forged.encode())


@contextmanager
def after_traffic() -> Iterator[tuple[Secrets, GatewayProcess]]:
    """Send all requests to a gateway whose upstream responds with secrets, then stop the gateway."""
    secret = Secrets()
    link = f"https://evil.test/?{secret('a link of the REST API')}"
    answers = (
        json_answer(200, {"id": secret("an id of the REST API"), "inviter": secret("a name of the REST API")}),
        json_answer(200, {"id": 1, "message": secret("an answer of a wrong type")}),
        json_answer(200, {"value": [], "@odata.nextLink": link}),
        json_answer(
            403,
            {"error": {"code": secret("a code") + "\n" + FORGED, "message": secret("a message of the REST API")}},
            b"request-id: " + secret("a request id").encode() + b"%0a",
        ),
        json_answer(401, {}, b'WWW-Authenticate: Bearer claims="%s"' % secret("claims").encode()),
        b"HTTP/1.1 200 OK\r\n" + secret("no HTTP").encode() + b"\r\n\r\n",
    )
    with (
        InvitationsUpstream() as upstream,
        gateway_process("serve", LOG_LEVEL="debug", UPSTREAM_URL=f"{upstream.url}/v1.0") as gateway,
    ):
        for answer in answers:
            upstream.expect(always(answer))
            for data in requests(secret):
                _send(gateway, data)
        for data in forgeries():
            _send(gateway, data)
        gateway.command.stop()
        yield secret, gateway


def _send(gateway: GatewayProcess, data: bytes) -> None:
    with RawConnection(gateway.port) as connection:
        connection.ask(data)


def log_lines(gateway: GatewayProcess) -> list[str]:
    """Return the lines of a gateway's log, after what it prints at its start."""
    _, *lines = gateway.log().split("\n")
    return lines[:-1]


def main() -> int:
    """Print the secrets and forged lines that were found."""
    with after_traffic() as (secret, gateway):
        lines = log_lines(gateway)
        found = secret.found_in(gateway.log())
        strange = [line for line in lines if not LINE.fullmatch(line)]
        print(f"{len(secret.made)} secrets, {len(lines)} lines of log: {len(found)} found, {len(strange)} forged lines")
        print("\n".join([*found, *strange]), end="")
    return bool(found or strange)


if __name__ == "__main__":
    sys.exit(main())
