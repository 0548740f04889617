"""Calls of `createInvitations` that are interrupted: by a store, a process or a client that leaves."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.batches import CREATE_ALL_ONCE, codes, inputs, results_of
from support.gateway import TOKEN, Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.keys import LATER, keyed_process, new_key
from support.raw_http import RawConnection, request
from support.redis import redis_server
from support.waiting import LIMIT, wait_until

from gateway.idempotency import unfinished
from gateway.invitations.batch import SIDE_BY_SIDE

COUNT = 30


def call(gateway: Gateway, key: str) -> list[str]:
    return codes(results_of(gateway.data(CREATE_ALL_ONCE, {"key": key, "inputs": inputs(COUNT)})))


def answering(call: Request) -> bytes:
    if call.method == "GET":
        return json_answer(200, {"id": call.target.rpartition("/")[2]})
    return json_answer(201, {"id": f"id-{call.json['trackingId']}", **call.json})


class Held:
    """A REST API that holds sends until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, call: Request) -> Reply:
        self.released.wait()
        return answering(call)


@pytest.fixture
def held(upstream: InvitationsUpstream) -> Iterator[Held]:
    handler = Held()
    upstream.expect(handler)
    yield handler
    handler.released.set()


def sent(upstream: InvitationsUpstream) -> Counter[int]:
    return Counter(int(it.json["trackingId"]) for it in upstream.calls if it.method == "POST")


ALL_ONCE = Counter(range(COUNT))


def test_if_the_store_fails_in_the_middle_the_rest_is_not_sent_and_sent_by_the_same_call_again(
    upstream: InvitationsUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "FIRST_PAUSE", LIMIT)
    key, ten = new_key(), threading.Barrier(SIDE_BY_SIDE)
    with redis_server() as server, running_gateway(upstream.url, idempotency_store=server.url) as gateway:

        def killing(call: Request) -> bytes:
            if ten.wait(LIMIT) == 0:
                server.kill()
            ten.wait(LIMIT)
            return answering(call)

        upstream.expect(killing)
        first = call(gateway, key)
        assert Counter(first) == {"created": SIDE_BY_SIDE, "IDEMPOTENCY_STORE_UNAVAILABLE": COUNT - SIDE_BY_SIDE}
        assert sent(upstream) == Counter(index for index, it in enumerate(first) if it == "created")

        server.start()
        upstream.handler = answering
        again = call(gateway, key)
    # Their ends are not stored yet.
    assert again == ["IDEMPOTENCY_IN_PROGRESS" if it == "created" else "created" for it in first]
    assert sent(upstream) == ALL_ONCE


ONE_SECOND = "from gateway.server import run; run.SHUTDOWN_FACTOR = 1 / 300"
"""The time for running requests to finish at shutdown: less than the call needs."""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_same_call_after_the_end_of_its_process_sends_what_was_not_begun(
    tmp_path: Path, upstream: InvitationsUpstream, held: Held, how: signal.Signals
) -> None:
    file, key = tmp_path / "keys.db", new_key()
    with keyed_process(upstream.url, file, before=ONE_SECOND) as ending, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(ending.post, CREATE_ALL_ONCE, {"key": key, "inputs": inputs(COUNT)})
        wait_until(lambda: len(upstream.calls) == SIDE_BY_SIDE, "the first are sent")
        os.kill(ending.pid, how)
        if how is signal.SIGKILL:
            with pytest.raises(httpx.TransportError):
                lost.result()
        else:
            (error,) = lost.result().json()["errors"]
            assert error["extensions"]["outcome"] == "UNKNOWN"
        ending.command.process.wait(LIMIT)
    begun = sent(upstream)
    held.released.set()
    with keyed_process(upstream.url, file) as now, keyed_process(upstream.url, file, before=LATER) as later:
        assert call(now, key) == ["IDEMPOTENCY_IN_PROGRESS" if it in begun else "created" for it in range(COUNT)]
        for gateway in (later, now):
            assert call(gateway, key) == ["IDEMPOTENCY_UNKNOWN" if it in begun else "created" for it in range(COUNT)]
    assert sent(upstream) == ALL_ONCE


def test_a_client_that_disconnects_and_calls_again_gets_the_results_of_its_first_call(
    upstream: InvitationsUpstream, held: Held, tmp_path: Path
) -> None:
    key = new_key()
    body = json.dumps({"query": CREATE_ALL_ONCE, "variables": {"key": key, "inputs": inputs(COUNT)}}).encode()
    with (
        running_gateway(upstream.url, idempotency_store=f"sqlite:///{tmp_path}/keys.db") as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        with RawConnection(gateway.port) as connection:
            connection.send(request(body, f"Authorization: {TOKEN}".encode()))
            wait_until(lambda: len(upstream.calls) == SIDE_BY_SIDE, "the first are sent")
        again = pool.submit(call, gateway, key)
        held.released.set()
        assert again.result() == ["created"] * COUNT
    assert sent(upstream) == ALL_ONCE


def test_twelve_calls_at_once_to_four_workers_send_each_invitation_once(
    tmp_path: Path, upstream: InvitationsUpstream
) -> None:
    upstream.expect(answering)
    key = new_key()
    with keyed_process(upstream.url, tmp_path / "keys.db", WORKERS=4) as gateway, ThreadPoolExecutor(12) as pool:

        def ask(_: int) -> list[str]:
            with Gateway(gateway.url) as client:
                return call(client, key)

        told = [it for found in pool.map(ask, range(12)) for it in found]
    assert set(told) <= {"created", "IDEMPOTENCY_IN_PROGRESS"}
    assert sent(upstream) == ALL_ONCE
