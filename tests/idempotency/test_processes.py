"""Several processes on one file, some of them killed."""

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.gateway import TOKEN, Gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, always, json_answer
from support.keys import LATER, MUTATIONS, create, keyed_process, new_key, serving
from support.waiting import LIMIT, wait_until

CREATED = json_answer(201, {"id": "1", "inviter": "as sent"})
READ = json_answer(200, {"id": "1", "inviter": "as read"})

BEFORE_THE_SEND = "client.CallerClient.create = client.CallerClient.update = die"
AFTER_THE_ANSWER = "once.Once._finish = die"
DYING = """
import os
from gateway.idempotency import once
from gateway.invitations import client
def die(*_): os.kill(os.getpid(), 9)
"""


def code(gateway: Gateway, key: str, mutation: str = "create") -> tuple[str, str]:
    extensions = gateway.error(*MUTATIONS[mutation](key))["extensions"]
    return extensions["code"], extensions["outcome"]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_second_process_waits_for_the_first_and_then_reads(
    tmp_path: Path, upstream: InvitationsUpstream, mutation: str
) -> None:
    release = threading.Event()

    def held(request: Request) -> Reply:
        if request.method == "GET":
            return READ
        release.wait()
        return CREATED

    upstream.expect(held)
    file, key = tmp_path / "keys.db", new_key()
    with (
        keyed_process(upstream.url, file) as one,
        keyed_process(upstream.url, file) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            first = pool.submit(one.data, *MUTATIONS[mutation](key))
            wait_until(lambda: upstream.calls, "the mutation is sent")
            assert code(other, key, mutation) == ("IDEMPOTENCY_IN_PROGRESS", "UNKNOWN")
        finally:
            release.set()
        assert [it["inviter"] for it in first.result().values()] == ["as sent"]
        assert [it["inviter"] for it in other.data(*MUTATIONS[mutation](key)).values()] == ["as read"]
    assert Counter(call.method == "GET" for call in upstream.calls) == {False: 1, True: 1}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize(
    ("where", "sent"), [(BEFORE_THE_SEND, 0), (None, 1), (AFTER_THE_ANSWER, 1)], ids=["before", "during", "after"]
)
def test_the_key_of_a_killed_process_is_unknown_after_its_lease(
    tmp_path: Path, upstream: InvitationsUpstream, mutation: str, where: str | None, sent: int
) -> None:
    release = threading.Event()

    def held(_: Request) -> Reply:
        if where is None:
            release.wait()
        return CREATED

    upstream.expect(held)
    file, key = tmp_path / "keys.db", new_key()
    try:
        with (
            keyed_process(upstream.url, file, before=f"{DYING}\n{where}" if where else "pass") as dying,
            ThreadPoolExecutor(1) as pool,
        ):
            lost = pool.submit(dying.post, *MUTATIONS[mutation](key))
            if where is None:
                wait_until(lambda: upstream.calls, "the mutation is sent")
                os.kill(dying.pid, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                lost.result()
            assert dying.command.process.wait(LIMIT) == -signal.SIGKILL
        with keyed_process(upstream.url, file) as now, keyed_process(upstream.url, file, before=LATER) as later:
            assert code(now, key, mutation) == ("IDEMPOTENCY_IN_PROGRESS", "UNKNOWN")
            for gateway in (later, now, later):
                assert code(gateway, key, mutation) == ("IDEMPOTENCY_UNKNOWN", "UNKNOWN")
    finally:
        release.set()
    assert len(upstream.calls) == sent


def test_forty_requests_to_four_workers_with_one_key_are_sent_once(
    tmp_path: Path, upstream: InvitationsUpstream
) -> None:
    upstream.expect(serving(CREATED))
    key = new_key()
    with keyed_process(upstream.url, tmp_path / "keys.db", WORKERS=4) as gateway:
        query, variables = create(key)

        def ask(_: int) -> httpx.Response:
            body = {"query": query, "variables": variables}
            headers = {"Authorization": TOKEN}
            return httpx.post(f"{gateway.url}/graphql", json=body, headers=headers, timeout=LIMIT, trust_env=False)

        with ThreadPoolExecutor(40) as pool:
            answers = [it.json() for it in pool.map(ask, range(40))]
    codes = Counter(answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer)
    assert set(codes) <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert codes.total() < 40
    assert sum(call.method == "POST" for call in upstream.calls) == 1


def test_a_claim_that_was_made_before_a_restart_is_kept(tmp_path: Path, upstream: InvitationsUpstream) -> None:
    upstream.expect(always(CREATED))
    file, key = tmp_path / "keys.db", new_key()
    with keyed_process(upstream.url, file) as gateway:
        gateway.data(*create(key))
        assert gateway.command.stop() == -signal.SIGTERM
    upstream.expect(serving(CREATED))
    with keyed_process(upstream.url, file) as gateway:
        gateway.data(*create(key))
    assert [call.method for call in upstream.calls] == ["GET"]
