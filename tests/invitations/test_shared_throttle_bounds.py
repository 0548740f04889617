"""Whatever Redis does, what is shared through it stays bounded, and it ends with the process."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
import redis
from redis.asyncio import Redis
from support.redis import RedisServer, redis_server
from support.transports import LOOPS
from support.waiting import LIMIT, until

from gateway.invitations import Caller, Throttle
from gateway.invitations.shared_throttle import CHANNEL, SharedThrottle
from gateway.invitations.throttle import MAX_HEARD_PAUSE


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


@asynccontextmanager
async def listening(server: RedisServer, throttle: Throttle) -> AsyncIterator[redis.Redis]:
    """Share a throttle, and return a client of its server that can publish."""
    shared = SharedThrottle(server.url, throttle)
    shared.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            await until(lambda: client.pubsub_numsub(CHANNEL)[0][1] == 1)
            yield client
    finally:
        await close(shared)


def test_what_others_tell_leaves_room_for_what_the_api_tells(server: RedisServer) -> None:
    async def run() -> None:
        throttle = Throttle(api="https://api", max_callers=10)
        mine = [Caller(b"Bearer %d" % number) for number in range(5)]
        async with listening(server, throttle) as client:
            for _ in range(50):
                client.publish(CHANNEL, f"{secrets.token_hex(32)} 100000")
            await until(lambda: len(throttle.callers) >= 5)
            for caller in mine:
                throttle.add(caller, 50)
            client.publish(CHANNEL, f"{throttle.name(mine[0]).hex()} 400000")  # a known one can become longer
            await until(lambda: throttle.left(mine[0]) > 50)
        assert all(throttle.left(caller) > 0 for caller in mine)
        assert len(throttle.callers) == 10
        assert throttle.left(mine[0]) <= MAX_HEARD_PAUSE

    asyncio.run(run())


MESSAGE: dict[str, object] = {"type": "message", "data": b"x"}


def test_many_messages_at_once_do_not_hold_up_requests(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = 0

    async def messages(_: object) -> AsyncIterator[dict[str, object]]:
        nonlocal heard
        for heard in range(10_000):  # noqa: B007 (it counts)
            yield MESSAGE
        await asyncio.sleep(10 * LIMIT)

    monkeypatch.setattr("gateway.invitations.shared_throttle._messages", messages)

    async def run() -> None:
        async with listening(server, Throttle(api="https://api")):
            await until(lambda: heard)
            assert heard < 9_999

    asyncio.run(run())


def test_a_subscription_that_is_lost_again_and_again_is_logged_once(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subscriptions = 0

    async def messages(_: object) -> AsyncIterator[dict[str, object]]:
        nonlocal subscriptions
        subscriptions += 1
        yield MESSAGE
        raise ConnectionError

    monkeypatch.setattr("gateway.invitations.shared_throttle._messages", messages)

    async def run() -> None:
        shared = SharedThrottle(server.url, Throttle(api="https://api"))
        shared.start()
        await until(lambda: subscriptions == 4)
        await close(shared)

    asyncio.run(run())
    assert caplog.text.count("step=subscribe") == 1
