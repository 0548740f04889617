"""Connecting tries all addresses of a name, those that worked first, and logs failures."""

import asyncio
import contextlib
import logging
import re
import socket
import ssl
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from aiohappyeyeballs import start_connection
from support.certificates import Certificates
from support.connect_proxy import connect_proxy
from support.processes import open_sockets
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.servers import refusing_url
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport import dial, reasons, tcp
from gateway.transport.addresses import Addresses
from gateway.transport.connection import Connection
from gateway.transport.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


@contextlib.contextmanager
def dead_address(host: str, port: int) -> Iterator[None]:
    """Listen with a full accept queue, so that the system drops new connections."""
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8 and lets a full backlog hang")
    with socket.create_server((host, port), backlog=0), socket.socket() as first:
        first.connect((host, port))
        yield


@contextlib.contextmanager
def hanging_upstream(host: str, port: int, tried: list[str]) -> Iterator[None]:
    """Accept connections, and send nothing."""
    with socket.create_server((host, port)) as listener:
        accepted = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept()[0])
                    tried.append(host)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in accepted:
                sock.close()


async def post(transport: Transport, url: str, seconds: float = GENEROUS) -> int:
    response = await transport.handle_async_request(
        request_to(url, timeout=seconds, read=GENEROUS, new_connection=True)
    )
    return response.status_code


@every_loop
def test_a_dead_address_is_skipped_and_the_one_that_worked_is_tried_first(
    run: Run, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first: list[str] = []

    async def start(found: list[Any], **options: Any) -> socket.socket:
        first.append(found[0][4][0])
        return await start_connection(found, **options)

    monkeypatch.setattr(tcp, "start_connection", start)

    async def main() -> None:
        sockets = open_sockets()
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            assert await post(transport, url) == 201
            for _ in range(3):
                assert await post(transport, url) == 201
        await until(lambda: transport.connections == CLEAN)
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: open_sockets() <= sockets)

    with ScriptedUpstream(answering(answer(201))) as upstream, dead_address("127.0.0.2", upstream.port):
        names["api.test"] = ["127.0.0.2", "127.0.0.1"]
        run(main())
    assert len(upstream.requests) == 4
    assert first == ["127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.1"]


@every_loop
def test_an_address_that_refuses_is_skipped_and_an_address_that_stops_working_is_forgotten(
    run: Run, names: dict[str, list[str]]
) -> None:
    async def main() -> None:
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            names["api.test"] = ["127.0.0.2", "127.0.0.1"]
            assert await post(transport, url) == 200
            names["api.test"] = ["127.0.0.2"]  # without the one that worked
            with pytest.raises(httpx.ConnectError):
                await post(transport, url)
            names["api.test"] = ["127.0.0.3", "127.0.0.2", "127.0.0.1"]
            assert await post(transport, url) == 200

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert len(upstream.requests) == 2


@every_loop
def test_an_address_that_hangs_in_tls_is_tried_last_the_next_time(
    run: Run, names: dict[str, list[str]], certificates: Certificates
) -> None:
    tried: list[str] = []

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=certificates.client) as transport:
            with pytest.raises(httpx.ConnectTimeout):
                await post(transport, url, seconds=1)
            for _ in range(3):
                assert await post(transport, url) == 200

    with (
        ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream,
        hanging_upstream("127.0.0.2", upstream.port, tried),
    ):
        names["localhost"] = ["127.0.0.2", "127.0.0.1"]
        run(main())
    assert tried == ["127.0.0.2"]
    assert len(upstream.requests) == 3


@every_loop
def test_a_dead_address_of_a_proxy_is_skipped(
    run: Run, names: dict[str, list[str]], certificates: Certificates
) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=certificates.client, proxy=f"http://proxy.test:{proxy.port}") as transport:
            assert await post(transport, url) == 200

    with (
        ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream,
        connect_proxy() as proxy,
        dead_address("127.0.0.2", proxy.port),
    ):
        names["proxy.test"] = ["127.0.0.2", "127.0.0.1"]
        run(main())
    assert len(upstream.requests) == len(proxy.requests) == 1


@every_loop
def test_cancelled_and_lost_connection_attempts_leak_no_sockets(run: Run, names: dict[str, list[str]]) -> None:
    async def main() -> None:
        sockets = open_sockets()
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url, max_connections=30) as transport:
            names["api.test"] = ["127.0.0.2", "127.0.0.2"]
            for pause in (0.0, 0.01, 0.3):
                calls = [asyncio.create_task(post(transport, url)) for _ in range(5)]
                await asyncio.sleep(pause)
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
            for _ in range(5):
                with pytest.raises(httpx.ConnectTimeout):
                    await post(transport, url, seconds=0.05)
            names["api.test"] = ["127.0.0.2", "127.0.0.1", "127.0.0.1"]
            assert set(await asyncio.gather(*(post(transport, url) for _ in range(10)))) == {200}
        assert len(asyncio.all_tasks()) == 1
        assert transport.connections == CLEAN
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: open_sockets() <= sockets)

    with ScriptedUpstream(answering(answer())) as upstream, dead_address("127.0.0.2", upstream.port):
        run(main())
    assert len(upstream.requests) == 10


def test_only_current_addresses_of_a_name_are_remembered(names: dict[str, list[str]]) -> None:
    async def main() -> None:
        memory = Addresses("api.test", 80)
        for number in range(100):
            gone, there = f"127.0.1.{number}", f"127.0.2.{number}"
            names["api.test"] = [gone, there]
            memory.worked(await memory.find(), (there, 80))
            memory.failed((gone, 80))
        names["api.test"] = ["127.0.0.1", "127.0.1.99"]
        for _ in range(2):
            assert [info[4][0] for info in await memory.find()] == ["127.0.0.1", "127.0.1.99"]
        names["api.test"] = ["127.0.0.1"]
        await memory.find()
        names["api.test"] = ["127.0.0.1", "127.0.1.99"]
        assert {(await memory.find())[0][4][0] for _ in range(2)} == {"127.0.0.1", "127.0.1.99"}

    asyncio.run(main())


def logged(caplog: pytest.LogCaptureFixture, run: Run, transport_of: Callable[[], Transport], url: str) -> str:
    """Return the only line that is logged about a request that could not be sent."""

    async def main() -> None:
        async with transport_of() as transport:
            with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
                await post(transport, url, seconds=2)
            await asyncio.sleep(0.01)  # uvloop closes the socket of a failed handshake in a later iteration

    caplog.clear()
    run(main())
    (line,) = [record for record in caplog.records if record.name == "gateway.transport"]
    assert line.levelno == logging.WARNING
    return line.getMessage()


@every_loop
def test_the_log_says_why_no_connection_was_made(
    run: Run, certificates: Certificates, misnamed: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    def line(url: str, tls: ssl.SSLContext | None = None, proxy: str | None = None) -> str:
        return logged(caplog, run, lambda: new_transport(url, tls=tls, proxy=proxy), url)

    assert line("http://api.invalid").startswith("no_connection=dns step=name host=api.invalid port=80 detail=")
    with refusing_url() as refused:
        assert line(refused).startswith("no_connection=refused step=tcp host=127.0.0.1 port=")
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        self_made = line(f"https://localhost:{upstream.port}")
        assert re.search(r'^no_connection=tls step=tls .* detail="verify code 18: self.signed certificate', self_made)
    with ScriptedUpstream(answering(answer()), tls=misnamed.server) as upstream:
        other = line(upstream.url, misnamed.client)
        assert re.search(r'^no_connection=tls step=tls .* detail="verify code 64: IP address mismatch', other)
    with ScriptedUpstream(UpstreamConnection.wait_until_client_closes) as upstream:
        assert line(upstream.url.replace("http", "https")).startswith("no_connection=timeout step=tls ")
    with ScriptedUpstream(UpstreamConnection.reset) as upstream:
        assert line(upstream.url.replace("http", "https")).startswith("no_connection=reset step=t")
    with ScriptedUpstream(answering(answer(407))) as upstream:
        refused = line("https://localhost:1", proxy=upstream.url.replace("//", "//user:secret-word@"))
        assert refused.startswith("no_connection=proxy step=proxy host=localhost port=1 ")
        assert "407" in refused
        assert "secret-word" not in caplog.text
        assert b64encode(b"user:secret-word").decode() not in caplog.text


def test_the_log_says_that_there_are_no_certificate_authorities(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        url = f"https://localhost:{upstream.port}"
        line = logged(caplog, asyncio.run, lambda: new_transport(url, tls=context), url)
    assert "no certificate authorities are loaded" in line


def test_many_failures_do_not_fill_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(url: str) -> None:
        async with new_transport(url) as transport:
            for _ in range(50):
                with pytest.raises(httpx.ConnectError):
                    await post(transport, url)
            monkeypatch.setattr(reasons, "QUIET_SECONDS", 0.0)
            with pytest.raises(httpx.ConnectError):
                await post(transport, url)

    with refusing_url() as url:
        asyncio.run(main(url))
    kinds = [record.getMessage().split()[0] for record in caplog.records]
    assert kinds == ["no_connection=refused", "no_connection=refused"]
    assert caplog.records[-1].getMessage().endswith("unlogged=49")


@every_loop
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_a_server_that_sends_bytes_before_a_request_is_sent_nothing(
    run: Run, certificates: Certificates, *, secure: bool
) -> None:
    spoken = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.send(answer(201, b'{"id":"of somebody else"}'))
        spoken.set()
        while connection.read_request() is not None:
            connection.send(answer(201))

    async def main() -> None:
        # Connecting ends after the server has sent its bytes. Without TLS, only the kernel has seen them.
        original = dial.require_silence

        async def slowly(connection: Connection) -> None:
            if secure:
                await until(lambda: not connection.reusable)
            spoken.wait(GENEROUS)
            await original(connection)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dial, "require_silence", slowly)
            url = f"http{'s' * secure}://localhost:{upstream.port}"
            async with new_transport(url, tls=certificates.client) as transport:
                with pytest.raises(httpx.ConnectError):
                    await post(transport, url)
                await until(lambda: transport.connections == CLEAN)

    with ScriptedUpstream(script, tls=certificates.server if secure else None) as upstream:
        run(main())
    assert upstream.requests == []


@every_loop
def test_session_tickets_are_not_mistaken_for_a_response(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=certificates.client, max_connections=200) as transport:
            for _ in range(10):
                await asyncio.gather(*(post(transport, url) for _ in range(20)))

    # Tickets arrive between the opening of a connection and its first use.
    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        run(main())
    assert len(upstream.requests) == upstream.accepted == 200
