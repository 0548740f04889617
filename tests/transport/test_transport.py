"""The transport with a working upstream: framing, the pool, timeouts, TLS, and refused requests."""

import asyncio
import gzip
import ssl
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from support.certificates import Certificates
from support.scripted_upstream import Script, ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.upstream_faults import HANGING, sending, sending_then
from support.waiting import until

from gateway.transport.tls import tls_context

pytestmark = pytest.mark.quick

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


def target(request: bytes) -> str:
    return request.split(b" ")[1].decode()


def drive(run: Run, script: Script, test: Callable[[ScriptedUpstream], Coroutine[Any, Any, None]]) -> ScriptedUpstream:
    with ScriptedUpstream(script) as upstream:
        run(test(upstream))
    return upstream


HEAD = b"HTTP/1.1 200 OK\r\n"
FRAMES: dict[str, tuple[bytes, int, bytes, bool]] = {
    "counted": (HEAD + b"Content-Length: 2\r\n\r\nok", 200, b"ok", True),
    "chunked": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", 200, b"ok", True),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: x\r\n\r\n", 200, b"ok", True),
    "until the end": (HEAD + b"\r\nok", 200, b"ok", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
    "HTTP/1.0 kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
    ),
    "to be closed": (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
    "empty": (HEAD + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "no reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        + HEAD
        + b"Content-Length: 2\r\n\r\nok",
        200,
        b"ok",
        True,
    ),
    "followed by garbage": (HEAD + b"Content-Length: 2\r\n\r\nokGARBAGE", 200, b"ok", False),
    "followed by another": ((HEAD + b"Content-Length: 2\r\n\r\nok") * 2, 200, b"ok", False),
    "unknown status": (b"HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nok", 999, b"ok", True),
}


@every_loop
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "bytewise"])
@pytest.mark.parametrize("frame", FRAMES)
def test_every_framing_is_read_and_a_connection_is_reused_only_if_allowed(
    run: Run, frame: str, *, bytewise: bool
) -> None:
    data, status, body, kept = FRAMES[frame]

    def script(connection: UpstreamConnection) -> None:
        while connection.read_request() is not None:
            # Extra bytes arrive with the response: later, they could not be told from the next one.
            size = 1 if bytewise and not frame.startswith("followed") else len(data)
            for part in [data[i : i + size] for i in range(0, len(data), size)]:
                connection.send(part)
            if frame == "until the end":
                return

    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            for _ in range(2):
                response = await transport.handle_async_request(request_to(upstream.url))
                assert (response.status_code, await response.aread(), response.content) == (status, body, body)
                assert "x-late" not in response.headers
                assert "link" not in response.headers
                await until(lambda: transport.connections["open"] == transport.connections["idle"])
        assert transport.connections == CLEAN

    upstream = drive(run, script, test)
    assert len(upstream.requests) == 2
    assert upstream.accepted == (1 if kept else 2)


@every_loop
def test_a_response_to_head_has_no_body(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            for method, body in (("HEAD", b""), ("GET", b"ok")):
                response = await transport.handle_async_request(request_to(upstream.url, method=method, body=b""))
                assert await response.aread() == body

    def script(connection: UpstreamConnection) -> None:
        while (request := connection.read_request()) is not None:
            connection.send(HEAD + b"Content-Length: 2\r\n\r\n" + (b"" if request.startswith(b"HEAD") else b"ok"))

    drive(run, script, test)


@every_loop
@pytest.mark.parametrize(
    "head", [b"101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade", b"000 Zero", b"20 Two"]
)
def test_a_response_with_an_unexpected_status_is_a_protocol_error(run: Run, head: bytes) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            with pytest.raises(httpx.RemoteProtocolError):
                await transport.handle_async_request(request_to(upstream.url))

    drive(run, sending(b"HTTP/1.1 " + head + b"\r\n\r\n"), test)


@every_loop
def test_a_response_before_the_whole_request_was_read_counts_and_ends_the_connection(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_some()
        connection.send(answer(413))
        over.wait(GENEROUS)

    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            response = await transport.handle_async_request(request_to(upstream.url, body=b"x" * 20_000_000))
            assert response.status_code == 413
            await until(lambda: transport.connections == CLEAN)
        over.set()

    over = threading.Event()
    drive(run, script, test)


@every_loop
def test_a_request_is_written_unchanged(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        request = request_to(upstream.url, target="/a%2Fb/%C3%BC?x=1", headers={"X-Y": "z"})
        async with new_transport(upstream.url) as transport:
            await transport.handle_async_request(request)
            await transport.handle_async_request(httpx.Request("GET", f"{upstream.url}/plain?q=1"))

    upstream = drive(run, answering(answer()), test)
    first, second = upstream.requests
    assert first.startswith(b"POST /a%2Fb/%C3%BC?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert first.endswith(b'\r\nContent-Length: 14\r\nX-Y: z\r\n\r\n{"message":{}}')
    assert target(second) == "/plain?q=1"


@pytest.mark.parametrize(
    "request_",
    [
        request_to("http://a.invalid", target="/a b"),
        request_to("http://a.invalid", target="/a\r\nX: y"),
        request_to("http://a.invalid", target="/a\0"),
        request_to("http://a.invalid", target="http://b.invalid/"),
        request_to("http://a.invalid", target="/ü"),
        request_to("http://a.invalid", headers={"X": "a\r\nY: b"}),
        request_to("http://a.invalid", headers={"X": "a\nY: b"}),
        request_to("http://a.invalid", headers={"X": "a\0"}),
        request_to("http://a.invalid", headers={"X: y\r\nZ": "a"}),
        request_to("http://a.invalid", headers={"X Y": "a"}),
        request_to("http://a.invalid", headers={"": "a"}),
        request_to("http://a.invalid", headers={"Content-Length": "1"}),
        request_to("http://a.invalid", headers={"content-length": "14"}),
        request_to("http://a.invalid", headers={"host": "b.invalid"}),
        request_to("http://a.invalid", headers={"Transfer-Encoding": "chunked"}),
        request_to("http://a.invalid", method="GET / HTTP/1.1\r\n"),
        httpx.Request("POST", "http://a.invalid", stream=httpx.ByteStream(b"")),
        httpx.Request("POST", "http://a.invalid", headers={"Host": "a.invalid"}, stream=httpx.ByteStream(b"x")),
        httpx.Request("POST", "http://a.invalid", files={"a": b"b"}),
    ],
)
def test_an_ambiguous_request_is_refused_before_anything_is_written(request_: httpx.Request) -> None:
    async def main() -> None:
        async with new_transport("http://a.invalid") as transport:
            with pytest.raises(httpx.LocalProtocolError):
                await transport.handle_async_request(request_)

    asyncio.run(main())


@every_loop
def test_one_connection_serves_consecutive_requests(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            for _ in range(50):
                await transport.handle_async_request(request_to(upstream.url))
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    assert drive(run, answering(answer()), test).accepted == 1


@every_loop
def test_the_most_recently_used_connection_is_used_next(run: Run) -> None:
    used: list[int] = []
    all_sent = threading.Barrier(3)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        used.append(connection.number)
        all_sent.wait(60)  # otherwise the second request may take the first one's connection
        connection.send(answer())
        while connection.read_request() is not None:
            used.append(connection.number)
            connection.send(answer())

    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            await asyncio.gather(*(transport.handle_async_request(request_to(upstream.url)) for _ in range(3)))
            for _ in range(6):
                await transport.handle_async_request(request_to(upstream.url))

    drive(run, script, test)
    assert len(set(used[:3])) == 3
    assert len(set(used[3:])) == 1


@every_loop
def test_the_number_of_connections_is_limited_and_waiting_requests_are_served_in_order(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:
            await asyncio.gather(
                *(transport.handle_async_request(request_to(upstream.url, target=f"/{i}")) for i in range(40))
            )

    upstream = drive(run, answering(answer()), test)
    assert [target(request) for request in upstream.requests] == [f"/{i}" for i in range(40)]
    assert upstream.accepted == 1


@every_loop
def test_a_waiting_request_goes_on_when_a_connection_ends(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, max_connections=2) as transport:
            await asyncio.gather(*(transport.handle_async_request(request_to(upstream.url)) for _ in range(20)))

    upstream = drive(run, sending(answer(200, b"{}", b"Connection: close")), test)
    assert len(upstream.requests) == upstream.accepted == 20


@every_loop
def test_waiting_requests_go_on_when_connecting_fails(run: Run) -> None:
    async def test() -> None:
        async with new_transport("http://api.invalid", max_connections=1) as transport:
            calls = (transport.handle_async_request(request_to("http://api.invalid")) for _ in range(5))
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(result) for result in results] == [httpx.ConnectError] * 5
            assert transport.connections == CLEAN

    run(test())


@every_loop
def test_a_cancelled_request_closes_its_connection_and_the_next_one_goes_on(run: Run) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        if connection.number:
            connection.send(answer())
        connection.wait_until_client_closes()

    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:
            calls = [
                asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target=f"/{i}")))
                for i in range(3)
            ]
            await until(lambda: upstream.requests)
            calls[1].cancel()  # it waits for a connection
            calls[0].cancel()  # it waits for its response
            assert (await calls[2]).status_code == 200
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    upstream = drive(run, script, test)
    assert [target(request) for request in upstream.requests] == ["/0", "/2"]


@every_loop
def test_a_waiting_request_that_is_cancelled_as_it_is_served_hands_its_connection_on(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, max_connections=1) as transport:

            async def first_then_cancel() -> None:
                await transport.handle_async_request(request_to(upstream.url))
                second.cancel()  # in the iteration in which it was given a connection

            first = asyncio.create_task(first_then_cancel())
            await until(lambda: upstream.requests)
            second, third = (
                asyncio.create_task(transport.handle_async_request(request_to(upstream.url))) for _ in range(2)
            )
            await until(lambda: transport.connections["waiting"] == 2)
            go.set()
            await first
            assert (await third).status_code == 200
            await asyncio.wait([second])
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    def script(connection: UpstreamConnection) -> None:
        while connection.read_request() is not None:
            go.wait(GENEROUS)
            connection.send(answer())

    go = threading.Event()
    drive(run, script, test)


@every_loop
def test_an_idle_connection_is_closed_after_its_idle_time(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, idle_seconds=0.05) as transport:
            await transport.handle_async_request(request_to(upstream.url))
            await until(lambda: transport.connections == CLEAN)
            await until(lambda: upstream.open_connections == 0)

    drive(run, answering(answer()), test)


@every_loop
def test_a_connection_that_was_idle_for_too_long_is_not_used_even_after_a_stall(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url, idle_seconds=0.01) as transport:
            for _ in range(2):
                await transport.handle_async_request(request_to(upstream.url))
                threading.Event().wait(0.1)
                await asyncio.sleep(0)

    assert drive(run, answering(answer()), test).accepted == 2


@every_loop
def test_closing_the_transport_closes_all_connections(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        transport = new_transport(upstream.url, max_connections=1)
        calls = [asyncio.create_task(transport.handle_async_request(request_to(upstream.url))) for _ in range(3)]
        await until(lambda: upstream.requests)
        await transport.aclose()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [httpx.ReadError, httpx.ConnectError, httpx.ConnectError]
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request_to(upstream.url))
        assert transport.connections == CLEAN

    assert len(drive(run, HANGING["reads and hangs"], test).requests) == 1


@every_loop
def test_a_deadline_limits_all_phases_together(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        loop = asyncio.get_running_loop()
        async with new_transport(upstream.url, max_connections=1) as transport:
            for error, deadline in ((httpx.ReadTimeout, loop.time() + 0.3), (httpx.ConnectTimeout, loop.time() - 1)):
                with pytest.raises(error):
                    await transport.handle_async_request(request_to(upstream.url, timeout=None, deadline=deadline))
                await until(lambda: transport.connections == CLEAN)
            hanging = asyncio.create_task(transport.handle_async_request(request_to(upstream.url)))
            await until(lambda: len(upstream.requests) == 2)
            with pytest.raises(httpx.PoolTimeout):
                await transport.handle_async_request(request_to(upstream.url, deadline=loop.time() + 0.1))
            hanging.cancel()
            await asyncio.wait([hanging])

    drive(run, HANGING["reads and hangs"], test)


@every_loop
def test_nothing_is_written_after_the_deadline(run: Run) -> None:
    async def test(upstream: ScriptedUpstream) -> None:
        async with new_transport(upstream.url) as transport:
            await transport.handle_async_request(request_to(upstream.url))
            with pytest.raises(httpx.PoolTimeout):
                await transport.handle_async_request(request_to(upstream.url, deadline=0.0))
            assert transport.connections["open"] <= 1
            assert (transport.connections["opening"], transport.connections["waiting"]) == (0, 0)

    assert len(drive(run, answering(answer()), test).requests) == 1


@every_loop
def test_an_httpx_client_can_use_the_transport(run: Run) -> None:
    body = gzip.compress(b'{"id":"1"}')

    async def test(upstream: ScriptedUpstream) -> None:
        async with httpx.AsyncClient(transport=new_transport(upstream.url)) as client:
            response = await client.post(upstream.url, json={"id": "1"})
            assert response.json() == {"id": "1"}
            assert response.elapsed.total_seconds() >= 0
            async with client.stream("GET", upstream.url) as streamed:
                assert b"".join([part async for part in streamed.aiter_raw()]) == body

    drive(run, answering(answer(200, body, b"Content-Encoding: gzip")), test)


@every_loop
def test_tls_accepts_a_trusted_certificate_for_the_host_name(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=certificates.client) as transport:
            for _ in range(3):
                response = await transport.handle_async_request(request_to(url))
                assert await response.aread() == b"{}"
                await asyncio.sleep(0.05)  # for session tickets

    with ScriptedUpstream(answering(answer()), tls=certificates.server) as upstream:
        run(main())
    assert (len(upstream.requests), upstream.accepted) == (3, 1)


@every_loop
def test_tls_refuses_a_trusted_certificate_for_another_name(run: Run, misnamed: Certificates) -> None:
    async def main() -> None:
        async with new_transport(upstream.url, tls=misnamed.client) as transport:
            with pytest.raises(httpx.ConnectError, match=r"(?i)not valid for|mismatch"):
                await transport.handle_async_request(request_to(upstream.url))
            assert transport.connections == CLEAN

    with ScriptedUpstream(answering(answer()), tls=misnamed.server) as upstream:
        run(main())
    assert upstream.requests == []


@every_loop
def test_over_tls_a_response_without_framing_is_never_complete(run: Run, certificates: Certificates) -> None:
    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=certificates.client) as transport:
            with pytest.raises(httpx.ReadError):
                await transport.handle_async_request(request_to(url))

    with ScriptedUpstream(
        sending_then(UpstreamConnection.shut_down, HEAD + b"\r\n{}"), tls=certificates.server
    ) as upstream:
        run(main())


def test_tls_verifies_and_needs_version_1_2_and_offers_http_1_1() -> None:
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
