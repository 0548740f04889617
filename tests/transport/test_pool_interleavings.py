"""Requests that are answered, fail, time out or are cancelled in any order: none is sent twice or forgotten."""

import asyncio
import gc
import json
import random
import re
import ssl
import time
from collections import Counter

import httpx
import pytest
from support.certificates import Certificates
from support.processes import open_sockets
from support.scripted_upstream import ScriptedUpstream, UpstreamConnection, answer
from support.transports import LOOPS, Run, request_to
from support.waiting import until

from gateway.transport import Transport, addresses, pool

every_loop = pytest.mark.parametrize("run", LOOPS.values(), ids=LOOPS)

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
REQUESTS = 600


class Moody:
    """An upstream that answers each request with its target, or fails at random."""

    def __init__(self, seed: int, tls: ssl.SSLContext | None) -> None:
        self.seed = seed
        self.tls = tls
        self.well = False
        """Whether it gives only good responses from now on."""
        self.received: Counter[str] = Counter()

    def script(self, connection: UpstreamConnection) -> None:
        chance = random.Random(f"{self.seed} {connection.number}")  # noqa: S311  (must be the same each time)
        if not self.well:
            match chance.randrange(12):
                case 0:
                    connection.reset()
                    return
                case 1:
                    connection.wait_until_client_closes()
                    return
                case 2:
                    time.sleep(0.02)
        if self.tls:
            connection.start_tls(self.tls)
        while (request := connection.read_request()) is not None:
            target = request.split()[1].decode()
            self.received[target] += 1
            if not self._answer(connection, target, 0 if self.well else chance.randrange(16)):
                return

    def _answer(self, connection: UpstreamConnection, target: str, mood: int) -> bool:
        """Answer, and return whether to keep the connection."""
        time.sleep(0.002)
        body = json.dumps(target).encode()
        match mood:
            case 1:
                connection.reset()
            case 2:
                connection.send(answer(200, body)[:-2])
                return False
            case 3:
                connection.send(answer(200, body, b"Connection: close"))
                return False
            case 4:
                connection.send(answer(200, body, b"Keep-Alive: timeout=0"))
            case 5:
                connection.send(answer(200, body))
                return False  # closed without notice, as servers close idle connections
            case 6:
                connection.send(answer(200, body) + answer(200, b'"of somebody else"'))
            case 7:
                connection.wait_until_client_closes()
                return False
            case _:
                connection.send(answer(200, body))
        return True


class Crowd:
    """Requests that start and are cancelled at random."""

    def __init__(self, transport: Transport, url: str, seed: int) -> None:
        self.transport = transport
        self.url = url
        self.chance = random.Random(seed)  # noqa: S311  (must be the same each time)
        self.ends: dict[str, str] = {}
        """The outcome of each request, by its target."""
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self) -> None:
        for number in range(REQUESTS):
            self.tasks.append(asyncio.create_task(self._send(f"/{number}")))
            match self.chance.randrange(8):
                case 0:
                    await asyncio.sleep(self.chance.random() * 0.02)
                case 1:
                    await asyncio.sleep(0)
                case 2:
                    self._cancel_one()
        await asyncio.wait(self.tasks)

    def _cancel_one(self) -> None:
        self.chance.choice(self.tasks[-40:]).cancel()

    async def _send(self, target: str) -> None:
        chance = self.chance
        self.ends[target] = "lost"
        timeout = chance.choice([2.0, 0.3, 0.03, 0.0])
        request = request_to(self.url, target=target, timeout=timeout, read=0.3, new_connection=chance.random() < 0.1)
        try:
            response = await self.transport.handle_async_request(request)
        except asyncio.CancelledError:
            self.ends[target] = "cancelled"
        except NOT_SENT:
            self.ends[target] = "not sent"
        except httpx.TransportError:
            self.ends[target] = "maybe sent"
        else:
            assert response.json() == target, f"{target} got {response.content!r}"
            self.ends[target] = "answered"
            if chance.random() < 0.1:
                response.extensions["discard"]()
        if chance.random() < 0.3:  # in the iteration in which its connection is given to another
            self._cancel_one()


@every_loop
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("seed", range(3))
def test_requests_in_any_order_are_written_at_most_once_and_leak_nothing(
    run: Run, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, seed: int, *, secure: bool
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 4)
    monkeypatch.setattr(pool, "MAX_AGE", 0.1)
    monkeypatch.setattr(pool, "SWEEP_AFTER", 0.01)
    monkeypatch.setattr(addresses, "LOOK_UP_AFTER", 0.01)
    moody = Moody(seed, certificates.server if secure else None)

    async def main() -> None:
        problems: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        sockets = open_sockets()
        url = upstream.url.replace("http:", "https:") if secure else upstream.url
        context = certificates.client if secure else None
        transport = Transport(url, max_response_bytes=10_000, max_connections=8, idle_seconds=0.05, ssl_context=context)
        async with transport:
            crowd = Crowd(transport, url, seed)
            await crowd.come()
            crashed = [task.exception() for task in crowd.tasks if not task.cancelled() and task.exception()]
            assert crashed == []
            moody.well = True
            check(crowd.ends, moody.received)
            # No place in the pool was lost.
            last = [
                asyncio.create_task(transport.handle_async_request(request_to(url, target="/z"))) for _ in range(50)
            ]
            assert {(await call).status_code for call in last} == {200}
            await until(lambda: not any(transport.connections.values()))
        assert len(asyncio.all_tasks()) == 1
        await until(lambda: upstream.open_connections == 0)
        await until(lambda: open_sockets() <= sockets)
        del crowd, last
        gc.collect()
        assert problems == []

    with ScriptedUpstream(moody.script) as upstream:
        run(main())
    assert moody.received["/z"] == 50


def check(ends: dict[str, str], received: Counter[str]) -> None:
    """Compare the requests' outcomes with what the upstream has read."""
    kinds = Counter(ends.values())
    assert kinds["lost"] == 0
    assert {"answered", "not sent", "cancelled"} <= set(kinds), kinds
    for target, end in ends.items():
        times = received[target]
        assert times <= 1, f"{target} was sent {times} times"
        assert end != "not sent" or times == 0, f"{target} was sent, and its sender was told otherwise"
        assert end != "answered" or times == 1, f"{target} was not sent, and answered"
    assert all(re.fullmatch(r"/\d+", target) for target in received)


@every_loop
@pytest.mark.parametrize("seed", range(3))
def test_requests_are_all_answered_while_others_are_cancelled(
    run: Run, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(pool, "MAX_DIALS", 2)
    monkeypatch.setattr(pool, "MAX_AGE", 0.05)
    moody = Moody(seed, None)
    moody.well = True
    chance = random.Random(seed)  # noqa: S311  (must be the same each time)

    async def main() -> None:
        async with Transport(upstream.url, max_response_bytes=10_000, max_connections=4) as transport:

            def send(target: str) -> "asyncio.Task[httpx.Response]":
                new = chance.random() < 0.2
                request = request_to(upstream.url, target=target, new_connection=new)
                return asyncio.create_task(transport.handle_async_request(request))

            kept: list[asyncio.Task[httpx.Response]] = []
            leaving: list[asyncio.Task[httpx.Response]] = []
            for number in range(400):
                (kept if number % 2 else leaving).append(send(f"/{number}"))
                if chance.random() < 0.2:
                    await asyncio.sleep(chance.random() * 0.01)
                if chance.random() < 0.7:
                    chance.choice(leaving).cancel()
            responses = await asyncio.gather(*kept)
            assert [response.json() for response in responses] == [f"/{number}" for number in range(1, 400, 2)]
            await asyncio.wait(leaving)
            await until(lambda: transport.connections["open"] == transport.connections["idle"])
            assert transport.connections["waiting"] == transport.connections["opening"] == 0

    with ScriptedUpstream(moody.script) as upstream:
        run(main())
    assert max(moody.received.values()) == 1
