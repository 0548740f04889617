"""What a repeated `createInvitations` says of inputs whose state it could not learn: an earlier call may know more."""

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.batches import CREATE_ALL_ONCE, inputs, outcomes, results_of
from support.gateway import Gateway, running_gateway
from support.invitations_upstream import InvitationsUpstream, Reply, Request, json_answer
from support.keys import gateway_with_file, new_key
from support.scripted_upstream import UpstreamConnection, answer

from gateway.idempotency import sqlite_file
from gateway.invitations.batch import SIDE_BY_SIDE

COUNT = 25


def call(gateway: Gateway, key: str, count: int = COUNT) -> list[dict[str, Any]]:
    return results_of(gateway.data(CREATE_ALL_ONCE, {"key": key, "inputs": inputs(count)}))


def answering(request: Request) -> bytes:
    if request.method == "GET":
        return json_answer(200, {"id": request.target.rpartition("/")[2]})
    return json_answer(201, {"id": f"id-{request.json['trackingId']}", **request.json})


def reading(reply: Reply) -> Any:
    return lambda request: reply if request.method == "GET" else answering(request)


def assert_in_doubt(results: list[dict[str, Any]], code: str) -> None:
    """Check that what was read is `APPLIED`, and that the rest says how to learn more."""
    told = Counter((it["error"]["code"], it["error"]["outcome"]) for it in results if it["error"])
    assert told[code, "UNKNOWN"] >= COUNT - SIDE_BY_SIDE
    assert {outcome for _, outcome in told} <= {"UNKNOWN", "APPLIED"}
    for it in results:
        if it["error"] and it["error"]["outcome"] == "UNKNOWN":
            assert "send the whole call again with the same key" in it["error"]["message"]
            assert it["error"]["trackingId"] == str(it["index"])


def test_if_the_reads_are_throttled_the_rest_is_unknown_with_the_pause(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    key = new_key()
    upstream.expect(answering)
    assert outcomes(call(gateway, key)) == ["created"] * COUNT
    upstream.handler = reading(answer(429, b"", b"Retry-After: 600"))
    results = call(gateway, key)
    assert_in_doubt(results, "RATE_LIMITED")
    assert all(500 < it["error"]["retryAfter"] < 700 for it in results)


def test_if_the_time_is_over_while_it_reads_the_rest_is_unknown(upstream: InvitationsUpstream, tmp_path: Path) -> None:
    key, store = new_key(), f"sqlite:///{tmp_path}/keys.db"
    upstream.expect(answering)
    with running_gateway(upstream.url, idempotency_store=store) as gateway:
        assert outcomes(call(gateway, key, 100)) == ["created"] * 100
    upstream.handler = reading(UpstreamConnection.wait_until_client_closes)
    with running_gateway(upstream.url, idempotency_store=store, upstream_timeout=0.3) as gateway:
        results = call(gateway, key, 100)
    unread = [it for it in results if it["error"]["outcome"] == "UNKNOWN"]
    assert unread
    assert {it["error"]["code"] for it in unread} == {"UPSTREAM_TIMEOUT"}
    assert {it["error"]["outcome"] for it in results} == {"UNKNOWN", "APPLIED"}


def test_if_the_store_fails_while_it_reads_the_rest_is_unknown(
    upstream: InvitationsUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "LOCK_LIMIT", 0.1)
    key, ten = new_key(), threading.Barrier(SIDE_BY_SIDE)
    upstream.expect(answering)
    with gateway_with_file(upstream.url, tmp_path / "keys.db") as gateway:
        assert outcomes(call(gateway, key)) == ["created"] * COUNT
        with closing(sqlite3.connect(tmp_path / "keys.db", isolation_level=None, check_same_thread=False)) as other:

            def locking(request: Request) -> bytes:
                if ten.wait() == 0:
                    other.execute("BEGIN EXCLUSIVE")
                ten.wait()
                return answering(request)

            upstream.handler = locking
            results = call(gateway, key)
    assert_in_doubt(results, "IDEMPOTENCY_STORE_UNAVAILABLE")
    assert {it["error"]["retryAfter"] for it in results if it["error"]} == {1}


def test_what_a_repeated_call_has_claimed_and_not_sent_is_not_applied(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    key = new_key()

    def refusing(request: Request) -> bytes:
        return json_answer(409, {}) if int(request.json["trackingId"]) < SIDE_BY_SIDE else answering(request)

    upstream.expect(refusing)
    call(gateway, key)
    upstream.handler = lambda _: answer(429, b"", b"Retry-After: 600")
    results = call(gateway, key)
    assert outcomes(results) == ["NOT_APPLIED"] * SIDE_BY_SIDE + ["UNKNOWN"] * (COUNT - SIDE_BY_SIDE)
