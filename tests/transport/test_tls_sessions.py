"""Which connections resume a TLS session, and that no session is offered to another host."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from support.certificates import self_signed
from support.connect_proxy import connect_proxy
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import LOOPS, Run, new_transport, request_to

from gateway.transport import Transport, tls

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)
every_version = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name
)


class Server:
    """A server that records which requests came over a resumed session."""

    def __init__(self, folder: Path, *names: str) -> None:
        _, self.certificate = self_signed(folder, *names)
        self._key = folder / "key.pem"
        self.context = self.new_context()
        self.resumed: list[bool | None] = []
        self.fresh = False
        """Whether each connection reaches a server that knows no sessions, as behind a load balancer."""

    def new_context(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def client(self) -> ssl.SSLContext:
        """Return a client's context that trusts the server."""
        return ssl.create_default_context(cafile=self.certificate)

    def script(self, connection: UpstreamConnection) -> None:
        connection.start_tls(self.new_context() if self.fresh else self.context)
        assert isinstance(connection.socket, ssl.SSLSocket)
        while connection.read_request() is not None:
            self.resumed.append(connection.socket.session_reused)
            connection.send(answer())


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path, "DNS:localhost", "DNS:a.test", "DNS:b.test")


@pytest.fixture
def hosts(names: dict[str, list[str]]) -> None:
    """Resolve the names in these tests to this machine."""
    names.update({name: ["127.0.0.1"] for name in ("a.test", "b.test", "other.test")})


async def connect(transport: Transport, url: str) -> None:
    """Send a request over a new connection."""
    response = await transport.handle_async_request(request_to(url, new_connection=True))
    assert response.status_code == 200


def connections(run: Run, server: Server, count: int, before_each: Callable[[int], None] = lambda _: None) -> None:
    """Open connections one after the other."""

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=server.client()) as transport:
            for number in range(count):
                before_each(number)
                await connect(transport, url)

    with ScriptedUpstream(server.script) as upstream:
        run(main())


@every_loop
@every_version
def test_a_connection_resumes_the_session_of_an_earlier_one(run: Run, server: Server, version: ssl.TLSVersion) -> None:
    server.context = server.new_context(version)
    connections(run, server, 4)
    assert server.resumed == [False, True, True, True]


@every_loop
@every_version
def test_many_connections_at_once_resume_one_session(run: Run, server: Server, version: ssl.TLSVersion) -> None:
    server.context = server.new_context(version)

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=server.client(), max_connections=50) as transport:
            await connect(transport, url)
            await asyncio.gather(*(connect(transport, url) for _ in range(50)))

    with ScriptedUpstream(server.script) as upstream:
        run(main())
    assert server.resumed == [False] + [True] * 50


@every_loop
def test_a_connection_resumes_a_session_through_a_proxy(run: Run, server: Server) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=server.client(), proxy=proxy.url) as transport:
            for _ in range(3):
                await connect(transport, url)

    with ScriptedUpstream(server.script) as upstream, connect_proxy() as proxy:
        run(main())
    assert server.resumed == [False, True, True]
    assert len(proxy.requests) == 3


@every_loop
def test_a_session_is_resumed_for_ten_minutes_after_the_full_handshake(
    run: Run, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0.0
    monkeypatch.setattr(tls, "time", SimpleNamespace(monotonic=lambda: passed))
    times = [1000.0, 1500.0, 1599.0, 1601.0, 2199.0, 2202.0]

    def pass_time(number: int) -> None:
        nonlocal passed
        passed = times[number]

    connections(run, server, len(times), pass_time)
    assert server.resumed == [False, True, True, False, True, False]


@every_loop
@every_version
def test_a_server_that_does_not_know_the_session_starts_a_new_one(
    run: Run, server: Server, version: ssl.TLSVersion
) -> None:
    server.context = server.new_context(version)

    def change(number: int) -> None:
        if number == 2:
            server.context = server.new_context(version)

    connections(run, server, 4, change)
    assert server.resumed == [False, True, False, True]


@every_loop
@pytest.mark.parametrize("kind", ["no tickets", "other servers", "another version"])
def test_a_server_that_never_resumes_works(run: Run, server: Server, kind: str) -> None:
    def change(number: int) -> None:
        if kind == "no tickets":
            server.context.num_tickets = 0
        elif kind == "other servers":
            server.fresh = True
        else:
            server.context = server.new_context([ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2][number % 2])

    connections(run, server, 4, change)
    assert server.resumed == [False] * 4


@every_loop
def test_a_connection_that_serves_many_requests_provides_a_session(run: Run, server: Server) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=server.client()) as transport:
            for _ in range(3):
                await transport.handle_async_request(request_to(url))
            await connect(transport, url)

    with ScriptedUpstream(server.script) as upstream:
        run(main())
    assert (server.resumed, upstream.accepted) == ([False, False, False, True], 2)


@every_loop
@every_version
def test_two_transports_with_one_context_never_offer_a_session_to_the_other_host(
    run: Run,
    server: Server,
    hosts: None,  # noqa: ARG001
    version: ssl.TLSVersion,
) -> None:
    server.context = server.new_context(version)

    async def main() -> None:
        a, b = (f"https://{host}.test:{upstream.port}" for host in "ab")
        context = server.client()
        async with new_transport(a, tls=context) as to_a, new_transport(b, tls=context) as to_b:
            await connect(to_a, a)
            await connect(to_a, a)
            assert server.resumed == [False, True]
            # The server would resume a's session for b: its certificate has both names.
            await connect(to_b, b)
            assert server.resumed == [False, True, False]
            await connect(to_b, b)
            await connect(to_a, a)
            await connect(to_b, b)
            assert server.resumed[3:] == [True, False, True]

    with ScriptedUpstream(server.script) as upstream:
        run(main())


@every_loop
@every_version
def test_the_host_name_is_checked_even_if_the_server_would_resume_a_session(
    run: Run,
    server: Server,
    hosts: None,  # noqa: ARG001
    version: ssl.TLSVersion,
) -> None:
    server.context = server.new_context(version)

    async def main() -> None:
        a, other = (f"https://{host}.test:{upstream.port}" for host in ("a", "other"))
        context = server.client()
        async with new_transport(a, tls=context) as to_a, new_transport(other, tls=context) as to_other:
            for _ in range(2):
                await connect(to_a, a)
                with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
                    await connect(to_other, other)

    with ScriptedUpstream(server.script) as upstream:
        run(main())
    assert len(server.resumed) == len(upstream.requests) == 2


@every_loop
def test_a_session_does_not_outlive_the_transport(run: Run, server: Server) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        context = server.client()
        for _ in range(2):
            async with new_transport(url, tls=context) as transport:
                await connect(transport, url)

    with ScriptedUpstream(server.script) as upstream:
        run(main())
    assert server.resumed == [False, False]
