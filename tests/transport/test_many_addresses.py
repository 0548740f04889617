"""Connecting to a host with several addresses, some of which do not answer."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest
from support.processes import need_proc, open_sockets
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer, answering
from support.transports import GENEROUS, LOOPS, Run, new_transport, request_to
from support.waiting import until

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

CLEAN = {"open": 0, "idle": 0, "opening": 0, "waiting": 0}


@contextlib.contextmanager
def dead_addresses(port: int, *hosts: str) -> Iterator[None]:
    """Listen with full accept queues, so that the system drops new connections."""
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8 and lets a full backlog hang")
    with contextlib.ExitStack() as stack:
        for host in hosts:
            stack.enter_context(socket.create_server((host, port), backlog=0))
            stack.enter_context(socket.create_connection((host, port)))
        yield


@every_loop
@pytest.mark.parametrize("turns", range(6))
def test_closing_ends_an_attempt_whose_second_address_was_just_connected(
    run: Run, names: dict[str, list[str]], turns: int
) -> None:
    def attempts() -> int:
        return sum("run_one_coro" in repr(task) for task in asyncio.all_tasks())

    async def main() -> None:
        proxy = f"http://proxy.test:{upstream.port}"
        transport = new_transport("https://api.test", proxy=proxy)
        call = asyncio.create_task(transport.handle_async_request(request_to("https://api.test")))
        async with asyncio.timeout(GENEROUS):
            while attempts() < 2:  # noqa: ASYNC110 (each iteration counts)
                await asyncio.sleep(0)
            while attempts() == 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(GENEROUS / 3):
            await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await call
        assert transport.connections == CLEAN
        assert len(asyncio.all_tasks()) == 1
        await until(lambda: upstream.open_connections == 0)

    with (
        ScriptedUpstream(UpstreamConnection.wait_until_client_closes) as upstream,
        dead_addresses(upstream.port, "127.0.0.2"),
    ):
        names["proxy.test"] = ["127.0.0.2", "127.0.0.1"]
        run(main())


@every_loop
def test_a_dead_address_is_skipped_however_short_the_time_is(run: Run, names: dict[str, list[str]]) -> None:
    async def main() -> None:
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            results = []
            for _ in range(20):
                request = request_to(url, timeout=0.2, read=GENEROUS, new_connection=True)
                try:
                    results.append((await transport.handle_async_request(request)).status_code)
                except httpx.ConnectTimeout:
                    results.append(0)
            # Every second one starts with the dead address, until it is known.
            assert results.count(200) >= 15

    with ScriptedUpstream(answering(answer())) as upstream, dead_addresses(upstream.port, "127.0.0.2"):
        names["api.test"] = ["127.0.0.2", "127.0.0.1"]
        run(main())


@every_loop
def test_an_attempt_holds_at_most_three_sockets_however_many_addresses_are_dead(
    run: Run, names: dict[str, list[str]]
) -> None:
    need_proc()
    dead = [f"127.0.0.{number}" for number in range(2, 7)]
    most = 0

    async def main() -> None:
        nonlocal most
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            before = open_sockets()
            call = asyncio.create_task(transport.handle_async_request(request_to(url, timeout=6.0, read=GENEROUS)))
            while transport.connections["open"] == 0 and not call.done():
                most = max(most, open_sockets() - before)
                await asyncio.sleep(0.01)
            assert (await call).status_code == 200

    with ScriptedUpstream(answering(answer())) as upstream, dead_addresses(upstream.port, *dead):
        names["api.test"] = [*dead, "127.0.0.1"]
        run(main())
    assert most == 3
