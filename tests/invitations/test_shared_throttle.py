"""Processes that use the same Redis server tell each other which users the API throttles."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
import redis
from support.gateway import Gateway, GatewayProcess, gateway_process, running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.operations import CREATE, GET
from support.redis import RedisServer, redis_server
from support.scripted_upstream import answer
from support.waiting import LIMIT, wait_until

from gateway.invitations import Caller, Throttle
from gateway.invitations.shared_throttle import CHANNEL, SharedThrottle
from gateway.invitations.throttle import MAX_HEARD_PAUSE

GOOD = json_answer(200, {"id": "1"})


class Api:
    """Throttles each user once, at the first call, for a thousand seconds."""

    def __init__(self) -> None:
        self.users: set[str] = set()

    def __call__(self, call: Request) -> bytes:
        user = call.headers["authorization"]
        if user in self.users:
            return GOOD
        self.users.add(user)
        return answer(429, b"", b"Retry-After: 1000")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def subscribed(server: RedisServer, count: int) -> None:
    """Wait until this number of processes listens."""
    with redis.Redis.from_url(server.url) as client:
        wait_until(lambda: client.pubsub_numsub(CHANNEL)[0][1] == count, "the processes listen")


@contextmanager
def serving(server: RedisServer, upstream: InvitationsUpstream, *, workers: int = 1) -> Iterator[GatewayProcess]:
    with gateway_process(
        "serve", UPSTREAM_URL=f"{upstream.url}/v1.0", IDEMPOTENCY_STORE=server.url, WORKERS=workers
    ) as gateway:
        yield gateway


def throttle(gateway: Gateway) -> str:
    """Let the API throttle a new user, and return its header."""
    gateway.as_another_user()
    assert gateway.error(GET.query)["extensions"]["status"] == 429
    return gateway.authorization


def hears(gateway: Gateway, user: str) -> None:
    """Wait until a gateway has heard that a user is throttled, and refuses each call."""
    wait_until(lambda: "errors" in gateway.run(GET.query, authorization=user), "it is known that the user is throttled")
    extensions = gateway.error(CREATE.query, authorization=user)["extensions"]
    assert MAX_HEARD_PAUSE - LIMIT < extensions.pop("retryAfter") <= MAX_HEARD_PAUSE
    assert extensions == {"code": "RATE_LIMITED", "outcome": "NOT_APPLIED"}


def test_what_one_process_is_told_holds_up_the_same_user_in_another(
    server: RedisServer, upstream: InvitationsUpstream
) -> None:
    upstream.expect(Api())
    with (
        serving(server, upstream) as one,
        serving(server, upstream) as other,
    ):
        subscribed(server, 2)
        user = throttle(one)
        hears(other, user)
        sent = len(upstream.calls)
        other.error(GET.query, authorization=user)
        assert len(upstream.calls) == sent
        throttle(other)  # another user is not held up


def test_all_workers_know_what_one_of_them_was_told(server: RedisServer, upstream: InvitationsUpstream) -> None:
    upstream.expect(Api())
    with serving(server, upstream, workers=2) as gateway:
        subscribed(server, 2)
        user = throttle(gateway)

        def refused(_: int) -> bool:
            with Gateway(gateway.url) as connection:  # either worker may accept it
                return "errors" in connection.run(GET.query, authorization=user)

        with ThreadPoolExecutor(10) as pool:
            wait_until(lambda: all(pool.map(refused, range(20))), "each worker refuses its calls")
        sent = len(upstream.calls)
        with ThreadPoolExecutor(10) as pool:
            assert all(pool.map(refused, range(40)))
        assert len(upstream.calls) == sent


def test_while_redis_is_down_requests_are_answered_and_afterwards_it_is_heard_again(
    upstream: InvitationsUpstream,
) -> None:
    upstream.expect(Api())
    with redis_server() as server, serving(server, upstream) as one, serving(server, upstream) as other:
        subscribed(server, 2)
        server.kill()
        user = throttle(one)
        assert one.error(GET.query, authorization=user)["extensions"]["code"] == "RATE_LIMITED"
        other.data(GET.query, authorization=user)
        failure = 'WARNING gateway.throttle store_unavailable="Redis ConnectionError" step='
        wait_until(lambda: {f"{failure}publish" in one.log(), f"{failure}subscribe" in one.log()} == {True}, "the log")
        throttle(one)
        server.start()
        subscribed(server, 2)
        hears(other, throttle(one))
        assert one.log().count("step=publish") == 1
        assert one.log().count("step=subscribe") == 1


def test_a_connection_that_is_silent_is_replaced(
    server: RedisServer,
    upstream: InvitationsUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gateway.invitations.shared_throttle.QUIET", 0.1)
    upstream.expect(Api())
    with serving(server, upstream) as one, running_gateway(upstream.url, idempotency_store=server.url) as other:
        subscribed(server, 2)
        with redis.Redis.from_url(server.url) as client:
            before = {it["id"] for it in client.client_list(_type="pubsub")}
        with server.paused():
            wait_until(lambda: "step=subscribe" in caplog.text, "the silence is noticed")
        subscribed(server, 2)
        with redis.Redis.from_url(server.url) as client:
            after = {it["id"] for it in client.client_list(_type="pubsub")}
        assert len(before & after) == 1
        hears(other, throttle(one))


@pytest.mark.parametrize(
    "message",
    [b"", b"x", b"\xff" * 70, b"0" * 64, b"0" * 64 + b" -1", b"0" * 64 + b" 1e3", b"0" * 64 + b" 99999999", b"0 1"],
)
def test_other_messages_are_ignored(server: RedisServer, message: bytes) -> None:
    async def listen() -> Throttle:
        throttle = Throttle(api="https://api")
        shared = SharedThrottle(server.url, throttle)
        shared.start()
        try:
            with redis.Redis.from_url(server.url) as client:
                await asyncio.to_thread(subscribed, server, 1)
                client.publish(CHANNEL, message)
                client.publish(CHANNEL, b"f" * 64 + b" 9999999")
            async with asyncio.timeout(LIMIT):
                while not throttle.callers:  # noqa: ASYNC110 (the message comes from another process)
                    await asyncio.sleep(0.01)
            (until,) = throttle.callers.values()
            assert until <= asyncio.get_running_loop().time() + MAX_HEARD_PAUSE
        finally:
            await shared.aclose()
        return throttle

    assert set(asyncio.run(listen()).callers) == {b"\xff" * 32}


def test_a_message_has_no_token_and_differs_for_each_api(server: RedisServer) -> None:
    token = uuid4().hex

    async def tell() -> None:
        for api in ("https://one", "https://other"):
            throttle = Throttle(api=api)
            shared = SharedThrottle(server.url, throttle)
            shared.start()
            throttle.add(Caller(f"Bearer {token}".encode()), 1000)
            await asyncio.to_thread(read)
            await shared.aclose()

    def read() -> None:
        told.append(wait_until(lambda: messages.get_message(timeout=1), "a message")["data"])

    told: list[bytes] = []
    with redis.Redis.from_url(server.url) as client, client.pubsub(ignore_subscribe_messages=True) as messages:
        messages.subscribe(CHANNEL)
        subscribed(server, 1)
        asyncio.run(tell())
    assert all(re.fullmatch(rb"[0-9a-f]{64} \d{6,7}", it) for it in told)
    assert told[0][:64] != told[1][:64]
    assert token.encode() not in b"".join(told)


def test_a_user_who_may_not_use_the_channel_is_served(upstream: InvitationsUpstream) -> None:
    upstream.expect(Api())
    with redis_server() as server:
        with redis.Redis.from_url(server.url) as client:
            client.acl_setuser("limited", enabled=True, passwords=["+5ecret"], keys=["*"], categories=["+@all"])
        url = server.url.replace("//", "//limited:5ecret@")
        with gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", IDEMPOTENCY_STORE=url) as gateway:
            user = throttle(gateway)
            assert gateway.error(GET.query, authorization=user)["extensions"]["code"] == "RATE_LIMITED"
            wait_until(lambda: 'store_unavailable="Redis NoPermissionError"' in gateway.log(), "it is logged")
            assert "5ecret" not in gateway.log()
