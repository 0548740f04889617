"""Whatever Redis does, what is shared through it stays bounded, and it ends with the process."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from support.redis import RedisServer, redis_server
from support.transports import LOOPS
from support.waiting import LIMIT

from gateway.invitations import Caller, Throttle
from gateway.invitations.shared_throttle import SharedThrottle


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


async def close(shared: SharedThrottle) -> None:
    async with asyncio.timeout(LIMIT):
        await shared.aclose()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("users", [0, 20])
def test_it_ends_whatever_it_is_doing(server: RedisServer, users: int, loop: str) -> None:
    async def start_and_end() -> None:
        for number in range(40):
            throttle = Throttle(api="https://api")
            shared = SharedThrottle(server.url, throttle)
            shared.start()
            await asyncio.sleep(number / 10_000)
            for user in range(users):
                throttle.add(Caller(b"Bearer %d" % user), 1000)
            await asyncio.sleep(number / 20_000)
            await close(shared)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    LOOPS[loop](start_and_end())


def test_it_ends_although_a_library_loses_cancellations(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = 0

    async def lose(*given: object) -> None:
        nonlocal lost
        for _ in range(3 if given else 0):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(10 * LIMIT)
            lost += 1

    monkeypatch.setattr(Redis, "publish", lose)

    async def run() -> None:
        throttle = Throttle(api="https://api")
        shared = SharedThrottle(server.url, throttle)
        shared.start()
        throttle.add(Caller(b"Bearer x"), 1000)
        await asyncio.sleep(0.1)
        await close(shared)

    asyncio.run(run())
    assert lost == 3


def test_it_ends_although_the_connections_cannot_be_closed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Redis.aclose

    async def hang(redis: Redis) -> None:
        try:
            await asyncio.sleep(10 * LIMIT)
        finally:
            await original(redis)

    monkeypatch.setattr(Redis, "aclose", hang)

    async def run() -> None:
        shared = SharedThrottle(server.url, Throttle(api="https://api"))
        shared.start()
        await close(shared)

    asyncio.run(run())
