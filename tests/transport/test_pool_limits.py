"""How many connections the pool has, whose they are, how long they stay and who gets them."""

import asyncio
import threading

import httpx
import pytest
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, request_to
from support.upstream_faults import HANGING
from support.waiting import until

from gateway.transport import Transport

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "slots": 0, "waiting": 0}


def new(*, max_connections: int = 10, idle_seconds: float = 60.0) -> Transport:
    return Transport(max_response_bytes=1000, max_connections=max_connections, idle_seconds=idle_seconds)


def targets(upstream: ScriptedUpstream) -> list[str]:
    return [request.split()[1].decode() for request in upstream.requests]


@every_loop
def test_a_hundred_connections_are_opened_unless_told_otherwise_and_what_comes_then_waits(run: Run) -> None:
    async def main() -> None:
        async with Transport(max_response_bytes=1000) as transport:
            calls = [asyncio.create_task(transport.handle_async_request(request_to(upstream.url))) for _ in range(103)]
            await until(lambda: len(upstream.requests) == 100)
            assert transport.connections == {"open": 100, "idle": 0, "slots": 100, "waiting": 3}
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            await until(lambda: transport.connections == CLEAN)

    with ScriptedUpstream(HANGING["reads and hangs"]) as upstream:
        run(main())
    assert upstream.accepted == 100


def test_a_connection_is_used_again_within_four_seconds_unless_told_otherwise() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = loop.time
        passed = 0.0
        loop.time = lambda: clock() + passed  # type: ignore[method-assign]  # nobody has to wait
        async with Transport(max_response_bytes=1000) as transport:
            for seconds, accepted in ((0.0, 1), (3.0, 1), (4.0, 2), (4.0, 3)):
                passed += seconds
                await transport.handle_async_request(request_to(upstream.url))
                assert upstream.accepted == accepted

    with ScriptedUpstream(answering(answer())) as upstream:
        asyncio.run(main())


@every_loop
def test_every_idle_connection_is_closed_when_its_own_time_is_over(run: Run) -> None:
    later = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        request = connection.read_request()
        if request is not None and b"/later" in request:
            later.wait(GENEROUS)
        connection.send(answer())
        connection.wait_until_client_closes()

    async def main() -> None:
        async with new(idle_seconds=0.3) as transport:
            call = asyncio.create_task(transport.handle_async_request(request_to(upstream.url, target="/later")))
            await until(lambda: upstream.requests)
            await transport.handle_async_request(request_to(upstream.url))
            await asyncio.sleep(0.1)
            later.set()
            await call
            await until(lambda: transport.connections == CLEAN)

    with ScriptedUpstream(script) as upstream:
        run(main())


@every_loop
def test_a_request_goes_to_its_own_origin_although_another_has_idle_connections(run: Run) -> None:
    async def main() -> None:
        async with new() as transport:
            for round_ in range(2):
                for upstream, name in ((first, "first"), (second, "second")):
                    await transport.handle_async_request(request_to(upstream.url, target=f"/{name}-{round_}"))
            assert transport.connections == {"open": 2, "idle": 2, "slots": 2, "waiting": 0}

    with ScriptedUpstream(answering(answer())) as first, ScriptedUpstream(answering(answer())) as second:
        run(main())
    assert targets(first) == ["/first-0", "/first-1"]
    assert targets(second) == ["/second-0", "/second-1"]


@every_loop
def test_a_request_that_wants_a_new_connection_leaves_the_idle_one_to_others(run: Run) -> None:
    async def main() -> None:
        async with new() as transport:
            await transport.handle_async_request(request_to(upstream.url))
            await transport.handle_async_request(request_to(upstream.url, new_connection=True))
            assert transport.connections == {"open": 2, "idle": 2, "slots": 2, "waiting": 0}

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
    assert upstream.accepted == 2


@every_loop
@pytest.mark.parametrize(
    ("limits", "error", "accepted"),
    [
        ({"pool": 0.0}, None, 1),  # nobody waits
        ({"connect": 0.0}, httpx.ConnectTimeout, 0),
        ({"read": 0.0}, httpx.PoolTimeout, 1),
        ({"write": 0.0}, None, 1),  # part of `read`
    ],
)
def test_each_phase_has_a_time_limit_of_its_own(
    run: Run, limits: dict[str, float], error: type[Exception] | None, accepted: int
) -> None:
    async def main() -> None:
        async with new() as transport:
            request = request_to(upstream.url)
            request.extensions["timeout"].update(limits)
            if error is None:
                assert (await transport.handle_async_request(request)).status_code == 200
                return
            with pytest.raises(error):
                await transport.handle_async_request(request)

    with ScriptedUpstream(answering(answer())) as upstream:
        run(main())
        assert upstream.accepted <= accepted
    assert len(upstream.requests) == (1 if error is None else 0)


@every_loop
def test_a_connection_that_makes_room_for_another_origin_is_closed(run: Run) -> None:
    async def main() -> None:
        async with new(max_connections=1) as transport:
            await transport.handle_async_request(request_to(first.url))
            await transport.handle_async_request(request_to(second.url))
            await until(lambda: transport.connections == {"open": 1, "idle": 1, "slots": 1, "waiting": 0})
            await until(lambda: (first.open_connections, second.open_connections) == (0, 1))

    with ScriptedUpstream(answering(answer())) as first, ScriptedUpstream(answering(answer())) as second:
        run(main())
