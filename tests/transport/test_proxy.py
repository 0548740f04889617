"""Through a proxy, over TLS, the transport behaves as without one."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from support.certificates import Certificates
from support.connect_proxy import connect_proxy
from support.scripted_upstream import Script, ScriptedUpstream, answer, answering
from support.servers import refusing_url
from support.transports import LOOPS, Run, new_transport, request_to
from support.upstream_faults import FAULTS, HANGING, LOST, dripping
from support.waiting import until

from gateway.invitations import Caller
from gateway.invitations.failures import CERTAINLY_NOT_SENT
from gateway.invitations.rest import Call, RestClient
from gateway.transport.transport import ResponseTooLarge

TOKEN = "Bearer token-of-the-test"
LIMIT = 1_000_000

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


@pytest.fixture
def proxy() -> Iterator[ScriptedUpstream]:
    with connect_proxy() as running:
        yield running


def sent(
    proxy: str, certificates: Certificates, request: httpx.Request, *, soon: float | None = None
) -> httpx.Response | httpx.TransportError:
    """Send a request with a deadline in `soon` seconds, and return its response or error."""

    async def main() -> httpx.Response | httpx.TransportError:
        transport = new_transport(str(request.url), tls=certificates.client, proxy=proxy)
        if soon is not None:
            request.extensions["deadline"] = asyncio.get_running_loop().time() + soon
        async with transport:
            try:
                return await transport.handle_async_request(request)
            except httpx.TransportError as error:
                return error

    return asyncio.run(main())


def test_a_request_goes_through_a_tunnel_and_the_proxy_sees_no_token(
    proxy: ScriptedUpstream, certificates: Certificates
) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        async with new_transport(upstream.url, tls=certificates.client, proxy=proxy.url) as transport:
            rest = RestClient(transport, url=upstream.url)
            call = Call("POST", "/v1.0/linkedIn/invitations", Caller(TOKEN.encode()), loop.time() + 30, b"{}")
            return await rest.send(call, lambda answer: answer.content)

    with ScriptedUpstream(answering(answer(201, b'{"id":"1"}')), tls=certificates.server) as upstream:
        assert asyncio.run(main()) == b'{"id":"1"}'
    (request,) = upstream.requests
    assert f"authorization: {TOKEN}".encode().lower() in request.lower()
    (tunnel,) = proxy.requests
    assert tunnel.startswith(b"CONNECT 127.0.0.1:")
    assert TOKEN.encode() not in tunnel


@pytest.mark.parametrize(
    "target", ["/v1.0/linkedIn/invitations/a%2F..%2Fb%3Fx%3D1", "/v1.0/l?$top=2&$skiptoken=A%20b'~"]
)
def test_a_target_arrives_unchanged(proxy: ScriptedUpstream, certificates: Certificates, target: str) -> None:
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        assert isinstance(sent(proxy.url, certificates, request_to(upstream.url, target=target)), httpx.Response)
    assert upstream.requests[0].split()[1].decode() == target


@pytest.mark.parametrize("fault", FAULTS)
def test_no_not_sent_error_is_raised_once_the_upstream_has_read_the_request(
    proxy: ScriptedUpstream, certificates: Certificates, fault: str
) -> None:
    soon = 0.5 if fault in HANGING else 5.0
    with ScriptedUpstream(FAULTS[fault], tls=certificates.server) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url), soon=soon)
    assert len(upstream.requests) <= 1
    if isinstance(outcome, CERTAINLY_NOT_SENT):
        assert upstream.requests == []


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_connection_is_a_read_error(proxy: ScriptedUpstream, certificates: Certificates, fault: str) -> None:
    with ScriptedUpstream(LOST[fault], tls=certificates.server) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url))
    assert type(outcome) is httpx.ReadError


def test_a_response_that_drips_ends_at_the_deadline(proxy: ScriptedUpstream, certificates: Certificates) -> None:
    with ScriptedUpstream(dripping(answer(200, b"x" * 300), every=0.05), tls=certificates.server) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url), soon=0.5)
    assert type(outcome) is httpx.ReadTimeout


def test_a_response_that_is_too_large_is_cut_off_and_has_its_status(
    proxy: ScriptedUpstream, certificates: Certificates
) -> None:
    with ScriptedUpstream(answering(answer(201, b"x" * (LIMIT + 1))), tls=certificates.server) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url))
    assert isinstance(outcome, ResponseTooLarge)
    assert outcome.response is not None
    assert outcome.response.status_code == 201


@pytest.mark.parametrize(
    "script",
    [
        answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        answering(b"not HTTP at all\r\n\r\n"),
        FAULTS["closes after reading the request"],
        FAULTS["resets after reading the request"],
        FAULTS["closes in a header"],
    ],
    ids=["refuses", "has a body", "is no proxy", "closes", "resets", "closes in a header"],
)
def test_a_proxy_that_opens_no_tunnel_is_a_connect_error(certificates: Certificates, script: Script) -> None:
    with ScriptedUpstream(script) as proxy, ScriptedUpstream(answering(answer())) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url.replace("http", "https")))
    assert type(outcome) is httpx.ConnectError
    assert upstream.accepted == 0


def test_a_proxy_that_hangs_is_a_connect_timeout(certificates: Certificates) -> None:
    with ScriptedUpstream(HANGING["reads and hangs"]) as proxy:
        outcome = sent(proxy.url, certificates, request_to("https://127.0.0.1:1", timeout=0.3))
    assert type(outcome) is httpx.ConnectTimeout


def test_a_proxy_that_cannot_be_reached_is_a_connect_error(certificates: Certificates) -> None:
    with refusing_url() as url:
        outcome = sent(url, certificates, request_to("https://127.0.0.1:1"))
    assert type(outcome) is httpx.ConnectError


def test_plain_http_is_never_sent_to_a_proxy(proxy: ScriptedUpstream, certificates: Certificates) -> None:
    with ScriptedUpstream(answering(answer())) as upstream:
        outcome = sent(proxy.url, certificates, request_to(upstream.url))
    assert type(outcome) is httpx.UnsupportedProtocol
    assert (proxy.accepted, upstream.accepted) == (0, 0)


@every_loop
def test_tls_that_fails_in_a_tunnel_is_a_connect_error_and_leaks_no_connection(
    proxy: ScriptedUpstream, certificates: Certificates, run: Run
) -> None:
    async def main() -> None:
        async with new_transport(upstream.url, max_connections=2, proxy=proxy.url) as transport:
            for _ in range(5):
                with pytest.raises(httpx.ConnectError):
                    await transport.handle_async_request(request_to(upstream.url))
            await until(lambda: transport.connections == {"open": 0, "idle": 0, "opening": 0, "waiting": 0})

    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        run(main())
    assert upstream.requests == []


@every_loop
def test_a_tunnel_is_reused(proxy: ScriptedUpstream, certificates: Certificates, run: Run) -> None:
    async def main() -> None:
        context = certificates.client
        async with new_transport(upstream.url, tls=context, proxy=proxy.url) as transport:
            for _ in range(3):
                await transport.handle_async_request(request_to(upstream.url))

    with ScriptedUpstream(answering(answer(), answer(), answer()), tls=certificates.server) as upstream:
        run(main())
    assert len(upstream.requests) == 3
    assert len(proxy.requests) == 1


def test_user_and_password_are_sent_only_to_the_proxy(proxy: ScriptedUpstream, certificates: Certificates) -> None:
    url = proxy.url.replace("//", "//user:p%40ss@")
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        assert isinstance(sent(url, certificates, request_to(upstream.url)), httpx.Response)
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n" in proxy.requests[0]
    assert b"proxy-authorization" not in upstream.requests[0].lower()
