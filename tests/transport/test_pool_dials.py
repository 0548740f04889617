"""Opening connections: how many at once, which request gets one, and what happens to those not needed."""

import asyncio
import contextlib
import gc
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

import httpx
import pytest
from support.certificates import Certificates
from support.processes import open_sockets
from support.scripted_upstream import Script, ScriptedUpstream, UpstreamConnection, answer, answering
from support.servers import refusing_url
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Transport, addresses, pool

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


class Gates:
    """Holds back each connection's handshake, and each response to a held target, until its gate opens."""

    def __init__(self, certificates: Certificates) -> None:
        self.handshakes: defaultdict[int, threading.Event] = defaultdict(threading.Event)
        self.answers: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.served: dict[str, int] = {}
        """Number of the connection, by the request's target."""
        self._tls = certificates.server

    def script(self, connection: UpstreamConnection) -> None:
        assert self.handshakes[connection.number].wait(GENEROUS)
        connection.start_tls(self._tls)
        while (request := connection.read_request()) is not None:
            target = request.split()[1].decode()
            self.served[target] = connection.number
            if target.startswith("/held"):
                self.answers[target].wait(GENEROUS)
            connection.send(answer())

    def open(self, *numbers: int) -> None:
        for number in numbers:
            self.handshakes[number].set()

    @contextlib.contextmanager
    def upstream(self, script: Script | None = None) -> Iterator[ScriptedUpstream]:
        """Serve a script, and open all gates at the end."""
        with ScriptedUpstream(script or self.script) as upstream:
            try:
                yield upstream
            finally:
                self.open(*range(upstream.accepted))
                for event in list(self.answers.values()):
                    event.set()


@pytest.fixture
def gates(certificates: Certificates) -> Gates:
    return Gates(certificates)


def secure(upstream: ScriptedUpstream) -> str:
    return f"https://127.0.0.1:{upstream.port}"


def sender(transport: Transport, url: str) -> Callable[..., "asyncio.Task[httpx.Response]"]:
    """Return a function that starts sending a request to a target."""

    def send(
        target: str, timeout: float | None = GENEROUS, *, new_connection: bool = False, deadline: float | None = None
    ) -> "asyncio.Task[httpx.Response]":
        request = request_to(url, target=target, timeout=timeout, new_connection=new_connection, deadline=deadline)
        return asyncio.create_task(transport.handle_async_request(request))

    return send


@every_loop
def test_a_request_takes_a_connection_that_becomes_free_before_its_own_is_open(
    run: Run, gates: Gates, certificates: Certificates
) -> None:
    async def main() -> None:
        async with new_transport(secure(upstream), tls=certificates.client) as transport:
            send = sender(transport, secure(upstream))
            first = send("/held")
            await until(lambda: "/held" in gates.served)
            second = send("/second")
            await until(lambda: upstream.accepted == 2)
            assert transport.connections == {"open": 1, "idle": 0, "opening": 1, "waiting": 1}
            gates.answers["/held"].set()
            assert {(await first).status_code, (await second).status_code} == {200}
            assert transport.connections == {"open": 1, "idle": 1, "opening": 1, "waiting": 0}
            gates.open(1)
            await until(lambda: transport.connections == {"open": 2, "idle": 2, "opening": 0, "waiting": 0})
            await send("/third")

    gates.open(0)
    with gates.upstream() as upstream:
        run(main())
    assert gates.served == {"/held": 0, "/second": 0, "/third": 1}
    assert upstream.accepted == 2


@every_loop
def test_at_most_64_connections_are_opened_at_once(run: Run, certificates: Certificates) -> None:
    lock = threading.Lock()
    go = threading.Event()
    now, most = 0, 0

    def script(connection: UpstreamConnection) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        go.wait(GENEROUS)
        # The client's handshake cannot end before the server's.
        with lock:
            now -= 1
        connection.start_tls(certificates.server)
        answering(answer())(connection)

    async def main() -> None:
        async with new_transport(secure(upstream), tls=certificates.client, max_connections=1000) as transport:
            send = sender(transport, secure(upstream))
            calls = [send(f"/{number}") for number in range(300)]
            await until(lambda: now == pool.MAX_DIALS)
            assert transport.connections == {"open": 0, "idle": 0, "opening": pool.MAX_DIALS, "waiting": 300}
            go.set()
            assert {(await call).status_code for call in calls} == {200}
            await until(lambda: transport.connections["opening"] == 0)
            assert transport.connections["open"] == transport.connections["idle"] == upstream.accepted

    with ScriptedUpstream(script) as upstream:
        run(main())
    assert most == pool.MAX_DIALS
    assert sorted(request.split()[1] for request in upstream.requests) == sorted(b"/%d" % i for i in range(300))


@every_loop
def test_the_connection_of_a_cancelled_request_serves_a_waiting_one(
    run: Run, gates: Gates, certificates: Certificates
) -> None:
    async def main() -> None:
        async with new_transport(secure(upstream), tls=certificates.client, max_connections=1) as transport:
            send = sender(transport, secure(upstream))
            leaving, waiting = send("/leaving"), send("/waiting")
            await until(lambda: upstream.accepted == 1)
            leaving.cancel()
            await asyncio.wait([leaving])
            assert transport.connections == {"open": 0, "idle": 0, "opening": 1, "waiting": 1}
            gates.open(0)
            assert (await waiting).status_code == 200

    with gates.upstream() as upstream:
        run(main())
    assert gates.served == {"/waiting": 0}
    assert upstream.accepted == 1


@every_loop
@pytest.mark.parametrize("new_connection", [False, True])
def test_the_connection_of_a_cancelled_request_is_kept_for_the_next(
    run: Run, gates: Gates, certificates: Certificates, *, new_connection: bool
) -> None:
    async def main() -> None:
        async with new_transport(secure(upstream), tls=certificates.client) as transport:
            send = sender(transport, secure(upstream))
            leaving = send("/leaving", new_connection=new_connection)
            await until(lambda: upstream.accepted == 1)
            leaving.cancel()
            await asyncio.wait([leaving])
            gates.open(0)
            await until(lambda: transport.connections == {"open": 1, "idle": 1, "opening": 0, "waiting": 0})
            await send("/next")

    with gates.upstream() as upstream:
        run(main())
    assert gates.served == {"/next": 0}
    assert upstream.accepted == 1


@every_loop
def test_a_failed_connection_fails_only_the_request_that_it_was_for(
    run: Run, gates: Gates, certificates: Certificates
) -> None:
    def script(connection: UpstreamConnection) -> None:
        if connection.number == 1:
            gates.handshakes[1].wait(GENEROUS)
            connection.reset()
        else:
            gates.script(connection)

    async def main() -> None:
        async with new_transport(secure(upstream), tls=certificates.client) as transport:
            send = sender(transport, secure(upstream))
            calls = []
            for number in range(3):
                calls.append(send(f"/{number}"))
                await until(lambda: upstream.accepted == len(calls))
            gates.open(1)
            with pytest.raises(httpx.ConnectError):
                await calls.pop(1)
            assert transport.connections == {"open": 0, "idle": 0, "opening": 2, "waiting": 2}
            gates.open(0, 2)
            assert {(await call).status_code for call in calls} == {200}

    with gates.upstream(script) as upstream:
        run(main())
    assert gates.served.keys() == {"/0", "/2"}


@every_loop
def test_a_failed_connection_does_not_affect_a_request_that_got_another(
    run: Run, gates: Gates, certificates: Certificates
) -> None:
    def script(connection: UpstreamConnection) -> None:
        if connection.number:
            gates.handshakes[1].wait(GENEROUS)
            connection.reset()
        gates.script(connection)

    async def main() -> None:
        problems = watch_loop()
        async with new_transport(secure(upstream), tls=certificates.client) as transport:
            send = sender(transport, secure(upstream))
            first = send("/held")
            await until(lambda: "/held" in gates.served)
            second = send("/held-2")
            await until(lambda: upstream.accepted == 2)
            gates.answers["/held"].set()
            await first
            await until(lambda: "/held-2" in gates.served)
            gates.open(1)
            await until(lambda: transport.connections == {"open": 1, "idle": 0, "opening": 0, "waiting": 0})
            gates.answers["/held-2"].set()
            assert (await second).status_code == 200
            gc.collect()
            assert problems == []

    gates.open(0)
    with gates.upstream(script) as upstream:
        run(main())
    assert gates.served == {"/held": 0, "/held-2": 0}


def watch_loop() -> list[dict[str, object]]:
    """Return a list of what the event loop would log, such as exceptions that were never retrieved."""
    problems: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    return problems


@every_loop
def test_closing_the_transport_ends_opening_connections_and_waiting_requests(
    run: Run, gates: Gates, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 4)

    async def main() -> None:
        problems = watch_loop()
        sockets = open_sockets()
        transport = new_transport(secure(upstream), tls=certificates.client)
        send = sender(transport, secure(upstream))
        calls = [send("/never", timeout=None, new_connection=number % 2 == 0) for number in range(8)]
        await until(lambda: upstream.accepted == 4)
        calls.extend(send("/late", timeout=None, new_connection=new) for new in (False, True))
        await asyncio.sleep(0)
        await transport.aclose()  # in the iteration in which new requests arrive
        done, pending = await asyncio.wait(calls, timeout=GENEROUS)
        assert not pending
        assert {type(call.exception()) for call in done} == {httpx.ConnectError}
        assert transport.connections == CLEAN
        assert len(asyncio.all_tasks()) == 1
        gates.open(*range(4))
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: open_sockets() <= sockets)
        gc.collect()
        assert problems == []

    with gates.upstream() as upstream:
        run(main())
    assert upstream.requests == []


@every_loop
def test_closing_the_transport_ends_the_lookup(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(_host: str, _port: int) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(addresses, "look_up", look_up)

    async def main() -> None:
        problems = watch_loop()
        transport = new_transport("http://api.test")
        send = sender(transport, "http://api.test")
        calls = [send("/", timeout=None) for _ in range(3)]
        await until(lambda: transport.connections["opening"] == 3)
        await transport.aclose()
        await asyncio.wait(calls)
        assert {type(call.exception()) for call in calls} == {httpx.ConnectError}
        assert len(asyncio.all_tasks()) == 1
        gc.collect()
        assert problems == []

    run(main())


@every_loop
def test_a_connection_in_use_is_closed_with_the_transport(run: Run) -> None:
    async def main() -> None:
        transport = new_transport(upstream.url)
        call = sender(transport, upstream.url)("/")
        await until(lambda: upstream.requests)
        await transport.aclose()
        await asyncio.wait([call])
        assert transport.connections == CLEAN
        await until(lambda: upstream.open_connections == 0)

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())


@every_loop
def test_a_request_for_a_new_connection_closes_an_idle_one_if_the_pool_is_full(run: Run) -> None:
    async def main() -> None:
        async with new_transport(upstream.url, max_connections=2) as transport:
            send = sender(transport, upstream.url)
            await asyncio.gather(send("/1"), send("/2"))
            await until(lambda: transport.connections == {"open": 2, "idle": 2, "opening": 0, "waiting": 0})
            await send("/3", new_connection=True)
            assert transport.connections == {"open": 2, "idle": 2, "opening": 0, "waiting": 0}
            await until(lambda: upstream.open_connections == 2)

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert upstream.accepted == 3


@every_loop
@pytest.mark.parametrize("bound", ["connections", "dials"])
@pytest.mark.parametrize("new_connection", [False, True])
def test_a_request_fails_with_pool_timeout_until_its_connection_is_being_opened(  # noqa: PLR0913  (fixtures)
    run: Run,
    gates: Gates,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    *,
    new_connection: bool,
) -> None:
    if bound == "dials":
        monkeypatch.setattr(pool, "MAX_DIALS", 1)

    async def main() -> None:
        url = secure(upstream)
        most = 1 if bound == "connections" else 10
        async with new_transport(url, tls=certificates.client, max_connections=most) as transport:
            send = sender(transport, url)
            with pytest.raises(httpx.ConnectTimeout):
                await send("/", timeout=0.2, new_connection=new_connection)
            assert transport.connections == CLEAN
            first = send("/")
            await until(lambda: transport.connections["opening"] == 1)
            with pytest.raises(httpx.PoolTimeout):
                await send("/", timeout=0.2, new_connection=new_connection)
            assert transport.connections == {"open": 0, "idle": 0, "opening": 1, "waiting": 1}
            first.cancel()
            await asyncio.wait([first])

    with gates.upstream() as upstream:
        run(main())
    assert upstream.requests == []


@every_loop
def test_a_request_past_its_deadline_opens_no_connection_and_logs_nothing(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with new_transport(upstream.url) as transport:
            with pytest.raises(httpx.ConnectTimeout):
                await sender(transport, upstream.url)("/", deadline=asyncio.get_running_loop().time() - 1)
            assert transport.connections == CLEAN

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert upstream.accepted == 0
    assert caplog.records == []


@every_loop
@pytest.mark.parametrize("new_connection", [False, True])
def test_a_failed_request_leaves_no_reference_cycle(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, new_connection: bool
) -> None:
    async def look_up(_host: str, _port: int) -> list[object]:
        await asyncio.sleep(0)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(addresses, "look_up", look_up)

    async def main() -> None:
        async with new_transport("http://api.test") as transport:
            send = sender(transport, "http://api.test")

            async def fail() -> None:
                with pytest.raises(httpx.ConnectError):
                    await send("/", new_connection=new_connection)

            await fail()
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                await asyncio.gather(*(fail() for _ in range(20)))
                gc.collect()
                kept = [thing for thing in gc.garbage if isinstance(thing, (httpx.ConnectError, OSError))]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert kept == []

    run(main())


def test_many_failures_at_once_do_not_share_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def depth(error: BaseException | None) -> int:
        frames, trace = 0, error and error.__traceback__
        while trace:
            frames, trace = frames + 1, trace.tb_next
        return frames

    async def main() -> None:
        async with new_transport("http://api.invalid", max_connections=100) as transport:
            send = sender(transport, "http://api.invalid")
            (alone,) = await asyncio.gather(send("/"), return_exceptions=True)
            many = await asyncio.gather(*(send("/") for _ in range(50)), return_exceptions=True)
            assert isinstance(alone, httpx.ConnectError)
            assert {depth(error.__cause__) for error in many if isinstance(error, httpx.ConnectError)} == {
                depth(alone.__cause__)
            }

    asyncio.run(main())
    assert "no_connection=dns" in caplog.text


@every_loop
def test_a_pool_without_idle_connections_runs_no_timer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps: list[int] = []
    sweep = pool.Pool._sweep  # noqa: SLF001  (nothing else shows an endless timer)

    def counted(self: pool.Pool) -> None:
        sweeps.append(self.counts["idle"])
        sweep(self)

    monkeypatch.setattr(pool.Pool, "_sweep", counted)
    monkeypatch.setattr(pool, "SWEEP_AFTER", 0.01)

    async def main() -> None:
        async with new_transport(upstream.url, idle_seconds=0.05) as transport:
            for _ in range(2):
                await sender(transport, upstream.url)("/")
                await until(lambda: transport.connections == CLEAN)
                done = len(sweeps)
                await asyncio.sleep(0.1)
                assert len(sweeps) <= done + 1

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert sweeps


REFUSED: dict[str, Script] = {
    "reset": UpstreamConnection.reset,
    "spoke first": lambda connection: connection.send(answer()),
}


@every_loop
@pytest.mark.parametrize("kind", [*REFUSED, "refused"])
def test_hundreds_of_failures_at_once_leak_nothing(run: Run, kind: str) -> None:
    async def main(url: str) -> None:
        problems = watch_loop()
        async with new_transport(url, max_connections=50) as transport:
            send = sender(transport, url)
            results = await asyncio.gather(*(send("/") for _ in range(300)), return_exceptions=True)
            assert {type(result) for result in results} <= {httpx.ConnectError, httpx.ReadError}
            await until(lambda: transport.connections == CLEAN)
        assert len(asyncio.all_tasks()) == 1
        gc.collect()
        assert problems == []

    if kind == "refused":
        with refusing_url() as url:
            run(main(url))
        return
    with ScriptedUpstream(REFUSED[kind]) as upstream:
        run(main(secure(upstream)))
    assert upstream.requests == []
