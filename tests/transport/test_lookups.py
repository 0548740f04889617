"""All addresses of a name are used, changes are followed, and many connections share one lookup."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable

import httpx
import pytest
from support.requirements import need
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import LOOPS, Run, new_transport, request_to
from support.waiting import until

from gateway.transport import addresses, pool
from gateway.transport.addresses import Addresses, AddressInfo

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)


class Called(list[str]):
    """The addresses to which an upstream's connections were opened, in order."""

    def script(self, connection: UpstreamConnection) -> None:
        self.append(connection.socket.getsockname()[0])
        while connection.read_request() is not None:
            connection.send(answer())


def info(address: str, family: int = socket.AF_INET) -> AddressInfo:
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80))


class Lookups:
    """Replaces DNS: each lookup waits until it is `allowed`, then returns or raises what is `known`."""

    def __init__(self, known: list[AddressInfo] | Exception) -> None:
        self.known = known
        self.count = 0
        self.allowed = asyncio.Event()

    async def __call__(self, _host: str, _port: int) -> list[AddressInfo]:
        self.count += 1
        await self.allowed.wait()
        if isinstance(self.known, Exception):
            raise self.known
        return self.known


@every_loop
def test_all_addresses_of_a_name_are_used_in_turn(run: Run, names: dict[str, list[str]]) -> None:
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8")

    async def main() -> None:
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            for _ in range(7):
                await transport.handle_async_request(request_to(url, new_connection=True))

    called = Called()
    with ScriptedUpstream(called.script, host="") as upstream:
        names["api.test"] = ["127.0.0.2", "127.0.0.1", "127.0.0.3"]
        run(main())
    assert called == ["127.0.0.2", "127.0.0.1", "127.0.0.3"] * 2 + ["127.0.0.2"]


@every_loop
def test_connections_opened_at_once_are_spread_over_all_addresses(run: Run, names: dict[str, list[str]]) -> None:
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8")

    async def main() -> None:
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url, max_connections=90) as transport:
            requests = [request_to(url, new_connection=True) for _ in range(90)]
            await asyncio.gather(*map(transport.handle_async_request, requests))

    called = Called()
    with ScriptedUpstream(called.script, host="") as upstream:
        names["api.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        run(main())
    assert {address: called.count(address) for address in called} == dict.fromkeys(names["api.test"], 30)


@every_loop
def test_a_changed_address_is_used_once_connections_expire(
    run: Run, names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    need(sys.platform == "linux", "only Linux has all of 127.0.0.0/8")

    async def main() -> None:
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            for address, max_age in (("127.0.0.1", 60.0), ("127.0.0.2", 0.0), ("127.0.0.2", 0.0)):
                names["api.test"] = [address]
                await transport.handle_async_request(request_to(url))
                monkeypatch.setattr(pool, "MAX_AGE", max_age)
                await transport.handle_async_request(request_to(url, new_connection=True))

    monkeypatch.setattr(pool, "MAX_AGE", 0.0)
    called = Called()
    with ScriptedUpstream(called.script, host="") as upstream:
        run(main())
    assert called[:2] == ["127.0.0.1", "127.0.0.1"]
    assert set(called[3:]) == {"127.0.0.2"}


@every_loop
def test_hundreds_of_connections_share_one_lookup(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LOOK_UP_AFTER", 600.0)

    async def main() -> None:
        lookups = Lookups([(*info("127.0.0.1")[:4], ("127.0.0.1", upstream.port))])
        monkeypatch.setattr(addresses, "look_up", lookups)
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url, max_connections=300) as transport:
            requests = [request_to(url, new_connection=True) for _ in range(300)]
            calls = [asyncio.create_task(transport.handle_async_request(request)) for request in requests]
            await until(lambda: transport.connections["opening"] == pool.MAX_DIALS)
            calls[0].cancel()  # the lookup goes on
            lookups.allowed.set()
            assert {(await call).status_code for call in calls[1:]} == {200}
        assert lookups.count == 1

    called = Called()
    with ScriptedUpstream(called.script) as upstream:
        run(main())
    assert len(upstream.requests) == 299


@every_loop
@pytest.mark.parametrize(
    "error",
    [socket.gaierror(socket.EAI_AGAIN, "try again"), UnicodeEncodeError("idna", "ä", 0, 1, "too long"), OSError("x")],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_lookup_fails_the_requests_that_wait_for_it_and_is_not_remembered(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def main() -> None:
        lookups = Lookups(error)
        monkeypatch.setattr(addresses, "look_up", lookups)
        url = f"http://api.test:{upstream.port}"
        async with new_transport(url) as transport:
            calls = [asyncio.create_task(transport.handle_async_request(request_to(url))) for _ in range(5)]
            await until(lambda: transport.connections["opening"] == 5)
            lookups.allowed.set()
            results = await asyncio.gather(*calls, return_exceptions=True)
            causes = [result.__cause__ for result in results if isinstance(result, httpx.ConnectError)]
            assert [(type(cause), str(cause)) for cause in causes] == [(type(error), str(error))] * 5
            assert lookups.count == 1
            lookups.known = [(*info("127.0.0.1")[:4], ("127.0.0.1", upstream.port))]
            assert (await transport.handle_async_request(request_to(url))).status_code == 200
            assert lookups.count == 2

    with ScriptedUpstream(Called().script) as upstream:
        run(main())


@every_loop
@pytest.mark.parametrize("ends", ["fails", "succeeds"])
def test_a_lookup_that_ends_after_all_requests_were_cancelled_is_no_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    async def main() -> None:
        problems: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        lookups = Lookups(OSError("unreachable") if ends == "fails" else [info("127.0.0.1")])
        monkeypatch.setattr(addresses, "look_up", lookups)
        memory = Addresses("api.test", 80)
        finding = [asyncio.create_task(memory.find()) for _ in range(3)]
        await until(lambda: lookups.count)
        for each in finding:
            each.cancel()
        await asyncio.wait(finding)
        assert len(asyncio.all_tasks()) == 2
        lookups.allowed.set()
        await until(lambda: len(asyncio.all_tasks()) == 1)
        del memory, finding, each
        gc.collect()
        assert problems == []

    run(main())


@every_loop
def test_the_result_of_a_lookup_is_used_for_a_second(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        lookups = Lookups([info("127.0.0.1")])
        lookups.allowed.set()
        monkeypatch.setattr(addresses, "look_up", lookups)
        memory = Addresses("api.test", 80)
        monkeypatch.setattr(addresses, "LOOK_UP_AFTER", 600.0)
        for _ in range(3):
            await memory.find()
        assert lookups.count == 1
        memory = Addresses("api.test", 80)
        monkeypatch.setattr(addresses, "LOOK_UP_AFTER", 0.0)
        for _ in range(3):
            await memory.find()
        assert lookups.count == 4

    run(main())


def in_order(found: list[AddressInfo]) -> list[str]:
    return [each[4][0] for each in found]


def test_the_addresses_of_each_family_take_turns_and_the_families_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        lookups = Lookups(
            [
                *(info(address, socket.AF_INET6) for address in ("::1", "::2", "::3")),
                info("127.0.0.1"),
                info("127.0.0.2"),
            ]
        )
        lookups.allowed.set()
        monkeypatch.setattr(addresses, "look_up", lookups)
        memory = Addresses("api.test", 80)
        assert [in_order(await memory.find()) for _ in range(4)] == [
            ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"],
            ["::2", "127.0.0.2", "::3", "127.0.0.1", "::1"],
            ["::3", "127.0.0.1", "::1", "127.0.0.2", "::2"],
            ["::1", "127.0.0.2", "::2", "127.0.0.1", "::3"],
        ]

    asyncio.run(main())


def test_if_one_family_does_not_work_all_addresses_of_the_other_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        lookups = Lookups([info("::1", socket.AF_INET6), info("127.0.0.1"), info("127.0.0.2"), info("127.0.0.3")])
        lookups.allowed.set()
        monkeypatch.setattr(addresses, "look_up", lookups)
        memory = Addresses("api.test", 80)
        memory.failed(("::1", 80))
        orders = [in_order(await memory.find()) for _ in range(3)]
        assert {order[0] for order in orders} == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}
        assert {order[-1] for order in orders} == {"::1"}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tell", "firsts"),
    [
        (lambda memory, found: memory.worked(found, ("b", 80)), {"b", "c"}),  # a was tried before it
        (lambda memory, found: memory.worked(found, ("a", 80)), {"a", "b", "c"}),
        (lambda memory, _: memory.failed(("a", 80)), {"b", "c"}),
        (lambda memory, _: [memory.failed((each, 80)) for each in "abc"], {"a", "b", "c"}),
        (lambda memory, _: [memory.failed(("a", 80)), memory.failed(None)], {"a", "b", "c"}),
        (lambda memory, found: [memory.failed(("a", 80)), memory.worked(found, ("a", 80))], {"a", "b", "c"}),
        (lambda memory, found: memory.worked(found, None), {"a", "b", "c"}),
    ],
)
def test_an_address_that_did_not_work_is_tried_last_and_the_others_take_turns(
    monkeypatch: pytest.MonkeyPatch, tell: Callable[[Addresses, list[AddressInfo]], object], firsts: set[str]
) -> None:
    async def main() -> None:
        lookups = Lookups([info("a"), info("b"), info("c")])
        lookups.allowed.set()
        monkeypatch.setattr(addresses, "look_up", lookups)
        memory = Addresses("api.test", 80)
        tell(memory, await memory.find())
        orders = [in_order(await memory.find()) for _ in range(6)]
        assert {order[0] for order in orders} == firsts
        assert all(sorted(order) == ["a", "b", "c"] for order in orders)
        assert {order[-1] for order in orders} >= set("abc") - firsts
        monkeypatch.setattr(addresses, "AVOID_SECONDS", 0.0)
        for each in "abc":
            memory.failed((each, 80))
        assert {in_order(await memory.find())[0] for _ in range(3)} == {"a", "b", "c"}

    asyncio.run(main())
