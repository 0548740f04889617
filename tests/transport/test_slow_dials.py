"""Slow handshakes do not block requests to other addresses, and their number is limited."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from support.certificates import Certificates
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport import Transport, pool

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


class Upstream:
    """Completes handshakes on 127.0.0.1 at once, and on 127.0.0.2 when it is told to `go`."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self.go = threading.Event()
        self.served: list[tuple[str, int]] = []
        """The requests' targets, and the numbers of their connections."""

    def script(self, connection: UpstreamConnection) -> None:
        if connection.socket.getsockname()[0] == "127.0.0.2":
            self.go.wait(GENEROUS)
        connection.start_tls(self.certificates.server)
        while (request := connection.read_request()) is not None:
            self.served.append((request.split()[1].decode(), connection.number))
            connection.send(answer())

    @contextmanager
    def running(self) -> Iterator[ScriptedUpstream]:
        with ScriptedUpstream(self.script, host="") as upstream:
            try:
                yield upstream
            finally:
                self.go.set()


@pytest.fixture
def slow(certificates: Certificates, names: dict[str, list[str]]) -> Upstream:
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8")
    names["localhost"] = ["127.0.0.2", "127.0.0.1"]
    return Upstream(certificates)


def send(
    transport: Transport, url: str, target: str = "/", *, new: bool = True, patience: float = GENEROUS
) -> "asyncio.Task[httpx.Response]":
    request = request_to(url, target=target, timeout=patience, new_connection=new)
    return asyncio.create_task(transport.handle_async_request(request))


@every_loop
@pytest.mark.parametrize("new", [True, False], ids=["new connections", "any connection"])
def test_an_address_that_hangs_in_tls_does_not_block_requests_to_another(
    run: Run, slow: Upstream, monkeypatch: pytest.MonkeyPatch, *, new: bool
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 2)
    monkeypatch.setattr(pool, "SLOW_DIAL", 0.02)

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=slow.certificates.client, max_connections=100) as transport:
            calls = [send(transport, url, new=new) for _ in range(12)]
            expected = 6 if new else 12
            await until(lambda: sum(call.done() for call in calls) == expected)
            assert {call.result().status_code for call in calls if call.done()} == {200}
            slow.go.set()
            assert {(await call).status_code for call in calls} == {200}
            await until(lambda: transport.connections["opening"] == 0)
            assert transport.connections["open"] == transport.connections["idle"]

    with slow.running() as upstream:
        run(main())
    assert len(slow.served) == 12


@every_loop
def test_the_number_of_slow_handshakes_is_limited_and_each_that_ends_makes_room(
    run: Run, slow: Upstream, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 2)
    monkeypatch.setattr(pool, "MAX_SLOW_DIALS", 3)
    monkeypatch.setattr(pool, "SLOW_DIAL", 0.01)
    names["localhost"] = ["127.0.0.2"]

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=slow.certificates.client, max_connections=100) as transport:
            calls = [send(transport, url, new=False, patience=GENEROUS if number else 2.0) for number in range(20)]
            await until(lambda: upstream.accepted == 5)
            await asyncio.sleep(0.1)  # ten times as long as a handshake takes to count as slow
            assert transport.connections == {"open": 0, "idle": 0, "opening": 5, "waiting": 20}
            with pytest.raises(httpx.ConnectTimeout):
                await calls.pop(0)
            await until(lambda: upstream.accepted == 6)
            assert transport.connections == {"open": 0, "idle": 0, "opening": 5, "waiting": 19}
            slow.go.set()
            assert {(await call).status_code for call in calls} == {200}

    with slow.running() as upstream:
        run(main())
    assert len(slow.served) == 19


@every_loop
def test_closing_the_transport_ends_slow_handshakes(
    run: Run, slow: Upstream, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 1)
    monkeypatch.setattr(pool, "SLOW_DIAL", 0.01)
    names["localhost"] = ["127.0.0.2"]

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        transport = new_transport(url, tls=slow.certificates.client)
        calls = [send(transport, url) for _ in range(3)]
        await until(lambda: upstream.accepted == 3)
        await transport.aclose()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(result) for result in results} == {httpx.ConnectError}
        assert transport.connections == CLEAN
        assert len(asyncio.all_tasks()) == 1

    with slow.running() as upstream:
        run(main())
    assert slow.served == []


@every_loop
def test_the_new_connection_of_a_cancelled_request_serves_one_that_needs_a_new_connection(
    run: Run, slow: Upstream, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 1)
    monkeypatch.setattr(pool, "SLOW_DIAL", 600.0)
    names["localhost"] = ["127.0.0.2"]

    async def main() -> None:
        url = f"https://localhost:{upstream.port}"
        async with new_transport(url, tls=slow.certificates.client) as transport:
            leaving = send(transport, url, "/leaving")
            await until(lambda: upstream.accepted == 1)
            waiting = send(transport, url, "/waiting")
            leaving.cancel()
            await asyncio.wait([leaving])
            slow.go.set()
            assert (await waiting).status_code == 200
            assert transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0}

    with slow.running() as upstream:
        run(main())
    assert slow.served == [("/waiting", 0)]
    assert upstream.accepted == 1
