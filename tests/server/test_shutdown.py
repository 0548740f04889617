"""How the gateway shuts down on a signal."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from reliability.operation import answered_after_sigterm
from support.batches import CREATE_ALL, inputs, outcomes, results_of
from support.gateway import TOKEN, gateway_process
from support.invitations_upstream import Reply, Request, json_answer
from support.leaving import (
    CREATE,
    IN_FLIGHT,
    STATUS,
    HeldUpstream,
    Leaving,
    creating,
    held_upstream,
    leaving,
)
from support.raw_http import RawConnection, request
from support.scripted_upstream import ScriptedUpstream
from support.upstream_faults import HANGING
from support.waiting import LIMIT, wait_until

from gateway.invitations.batch import SIDE_BY_SIDE

ASKED = 10  # enough requests to reach both workers


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("group", [False, True], ids=["parent", "group"])
def test_after_sigterm_only_readyz_fails_during_the_delay(workers: int, group: bool) -> None:
    with held_upstream() as upstream, leaving(upstream.url, workers, delay=300) as gateway:
        upstream.released.set()
        assert {gateway.get("/readyz").status_code for _ in range(ASKED)} == {200}
        gateway.send(signal.SIGTERM, group=group)
        wait_until(
            lambda: {gateway.get("/readyz").status_code for _ in range(ASKED)} == {503}, "/readyz fails on every worker"
        )
        assert upstream.accepted == 0
        gateway.send(signal.SIGTERM, group=group)
        assert {gateway.get("/healthz").status_code for _ in range(ASKED)} == {200}
        assert [gateway.create(str(number)) for number in range(ASKED)] == [True] * ASKED
        assert gateway.get("/readyz").text == "shutting down\n"
        gateway.send(signal.SIGINT, group=True)
        gateway.left()
        assert not gateway.accepts()


@pytest.mark.parametrize("workers", [1, 2])
def test_after_sigterm_running_operations_complete_although_the_socket_is_closed(workers: int) -> None:
    assert answered_after_sigterm(workers) == IN_FLIGHT


@pytest.mark.parametrize("workers", [1, 2])
def test_after_the_delay_the_socket_closes_and_the_process_exits(workers: int) -> None:
    with held_upstream() as upstream, leaving(upstream.url, workers, delay=1) as gateway:
        gateway.send(signal.SIGTERM)
        assert gateway.left() == STATUS[workers]
        assert not gateway.accepts()
        assert "Traceback" not in gateway.command.output


@pytest.mark.parametrize("workers", [1, 2])
def test_operations_that_exceed_the_shutdown_timeout_are_cut_off(workers: int) -> None:
    with held_upstream() as upstream, leaving(upstream.url, workers, limit=1) as gateway:
        with creating(gateway, upstream) as answers:
            gateway.send(signal.SIGTERM)
            assert gateway.left() == STATUS[workers]
            assert [answer.result() for answer in answers] == [False] * IN_FLIGHT
        assert len(upstream.calls) == IN_FLIGHT


@contextmanager
def creating_all(gateway: Leaving, upstream: HeldUpstream) -> Iterator[Future[httpx.Response]]:
    """Send a batch of 30 whose first requests wait for the upstream until the end of the block."""
    with ThreadPoolExecutor(1) as pool:
        try:
            future = pool.submit(gateway.post, CREATE_ALL, {"inputs": inputs(30)})
            wait_until(lambda: len(upstream.calls) == SIDE_BY_SIDE, "the first have reached the upstream")
            yield future
        finally:
            upstream.released.set()


@pytest.mark.parametrize("workers", [1, 2])
def test_after_sigterm_a_batch_is_sent_to_its_end(workers: int) -> None:
    with held_upstream() as upstream, leaving(upstream.url, workers) as gateway:
        with creating_all(gateway, upstream) as response:
            gateway.send(signal.SIGTERM)
            wait_until(lambda: not gateway.accepts(), "it has stopped listening")
        assert outcomes(results_of(response.result().json()["data"])) == ["created"] * 30
        assert gateway.left() == STATUS[workers]
        assert sorted(map(int, upstream.tracking_ids())) == list(range(30))


def test_a_batch_that_exceeds_the_shutdown_timeout_is_unknown_and_nothing_more_is_sent() -> None:
    with held_upstream() as upstream, leaving(upstream.url, 1, limit=1) as gateway:
        with creating_all(gateway, upstream) as response:
            gateway.send(signal.SIGTERM)
            (error,) = response.result().json()["errors"]
            assert (response.result().status_code, error["extensions"]["outcome"]) == (503, "UNKNOWN")
            gateway.left()
        assert len(upstream.calls) == SIDE_BY_SIDE


class LongListUpstream(HeldUpstream):
    """A held upstream with a list that is too long for the buffers of a client that does not read."""

    def _create(self, call: Request) -> Reply:
        if call.method == "GET":
            return json_answer(200, {"value": [{"id": "1", "inviter": "x" * 70_000}] * 100})
        return super()._create(call)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_client_that_does_not_read_delays_shutdown_no_longer_than_the_timeout(
    workers: int, how: signal.Signals
) -> None:
    with (
        held_upstream(LongListUpstream) as upstream,
        leaving(upstream.url, workers, limit=1) as gateway,
        RawConnection(gateway.port, window=4096) as client,
    ):
        for body in (
            {"query": "{ invitations(first: 100) { nodes { inviter } } }"},
            {"query": CREATE, "variables": {"id": "1"}},
        ):
            client.send(request(json.dumps(body).encode(), f"Authorization: {TOKEN}".encode()))
        wait_until(lambda: len(upstream.calls) == 2, "the mutation has reached the upstream")
        gateway.send(how, group=True)
        gateway.left()


@pytest.mark.parametrize(
    ("workers", "group"), [(1, True), (2, True), (2, False)], ids=["one", "two", "the parent of two"]
)
def test_the_first_ctrl_c_waits_for_running_operations_and_the_second_does_not(workers: int, group: bool) -> None:
    with (
        held_upstream() as upstream,
        leaving(upstream.url, workers) as gateway,
        creating(gateway, upstream) as answers,
    ):
        gateway.send(signal.SIGINT, group=group)
        wait_until(lambda: not gateway.accepts(), "it has stopped listening")
        assert gateway.command.process.poll() is None
        assert not any(answer.done() for answer in answers)
        gateway.send(signal.SIGINT, group=group)
        gateway.left()
        assert [answer.result() for answer in answers] == [False] * IN_FLIGHT


def test_a_mutation_that_outlasts_the_server_is_answered_as_unknown() -> None:
    answers: list[httpx.Response] = []

    def ask(url: str) -> None:
        create = 'createInvitation(input: {inviter: "a", invitee: "b", message: {}}) { id }'
        fields = " ".join(f"m{number}: {create}" for number in range(20))
        body = {"query": f"mutation {{ {fields} }}"}
        answers.append(httpx.post(f"{url}/graphql", json=body, headers={"Authorization": TOKEN}, timeout=LIMIT))

    with (
        ScriptedUpstream(HANGING["reads and hangs"]) as upstream,
        gateway_process("serve", UPSTREAM_URL=f"{upstream.url}/v1.0", UPSTREAM_TIMEOUT="0.5") as gateway,
    ):
        asking = threading.Thread(target=ask, args=(gateway.url,))
        asking.start()
        wait_until(lambda: upstream.requests, "the first mutation has reached the upstream")
        gateway.command.stop(signal.SIGTERM)
        asking.join(LIMIT)
    (answer,) = answers
    assert answer.status_code == 503
    assert answer.json()["errors"] == [
        {
            "message": "The gateway shut down before the mutation completed.",
            "extensions": {"code": "INTERNAL_SERVER_ERROR", "outcome": "UNKNOWN"},
        }
    ]
