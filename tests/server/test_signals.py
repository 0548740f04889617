"""Signals from a terminal, a supervisor or an operator, with one process and with several."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.commands import started
from support.leaving import IN_FLIGHT, STATUS, creating, held_upstream, leaving
from support.processes import children, need_proc
from support.waiting import LIMIT, wait_until


@pytest.fixture(autouse=True)
def _no_signal_is_ignored() -> Iterator[None]:
    # Gateways would inherit that nohup ignores SIGHUP, and that shells ignore SIGQUIT for background jobs.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGQUIT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("group", [False, True], ids=["parent", "group"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_sighup_and_sigquit_shut_down_gracefully_like_sigterm(
    number: signal.Signals, workers: int, group: bool
) -> None:
    with held_upstream() as upstream, leaving(upstream.url, workers) as gateway:
        with creating(gateway, upstream) as answers:
            gateway.send(number, group=group)
            wait_until(lambda: not gateway.accepts(), "it has stopped listening")
            upstream.released.set()
            assert [answer.result() for answer in answers] == [True] * IN_FLIGHT
        assert gateway.left() == STATUS[workers]
        assert sorted(upstream.tracking_ids()) == sorted(map(str, range(IN_FLIGHT)))


@pytest.mark.parametrize("workers", [1, 2])
def test_other_signals_are_ignored(workers: int) -> None:
    need_proc()
    with held_upstream() as upstream, leaving(upstream.url, workers) as gateway:
        with creating(gateway, upstream) as answers:
            before = children(gateway.pid)
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
                gateway.send(number, group=True)
            assert gateway.get("/readyz").status_code == 200
            upstream.released.set()
            assert [answer.result() for answer in answers] == [True] * IN_FLIGHT
        assert children(gateway.pid) == before
        gateway.send(signal.SIGTERM)
        assert gateway.left() == STATUS[workers]


@pytest.mark.parametrize("command", ["dev", "sandbox"])
def test_sighup_stops_dev_and_the_sandbox_like_sigterm(command: str) -> None:
    with started(command, "--port", "0") as running:
        running.url_before("/v1.0/linkedIn/invitations")
        assert running.stop(signal.SIGHUP) == -signal.SIGTERM


@pytest.mark.parametrize("workers", [1, 2])
def test_a_gateway_started_with_nohup_outlives_its_terminal(workers: int) -> None:
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    with held_upstream() as upstream, leaving(upstream.url, workers, before=ignore) as gateway:
        gateway.send(signal.SIGHUP, group=True)
        assert {gateway.get("/readyz").status_code for _ in range(10)} == {200}
        gateway.send(signal.SIGTERM)
        assert gateway.left() == STATUS[workers]


def test_workers_finish_their_operations_and_exit_when_their_supervisor_is_killed() -> None:
    need_proc()
    with held_upstream() as upstream, leaving(upstream.url, 2) as gateway:
        process = gateway.command.process
        workers = children(process.pid)
        try:
            with creating(gateway, upstream) as answers:
                process.kill()
                gateway.left()
                wait_until(lambda: not gateway.accepts(), "the workers have stopped listening")
                upstream.released.set()
                assert [answer.result() for answer in answers] == [True] * IN_FLIGHT
            wait_until(lambda: not any(map(_lives, workers)), "the workers are gone")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_a_worker_whose_supervisor_died_before_it_served_also_exits() -> None:
    need_proc()
    worker = (
        "from gateway.server.workers import leave_with_parent; leave_with_parent(); import time; time.sleep(10_000)"
    )
    parent = (
        "import multiprocessing, os\n"
        "if __name__ == '__main__':\n"
        f"    child = multiprocessing.get_context('spawn').Process(target=exec, args=({worker!r},))\n"
        "    child.start(); print(child.pid, flush=True); os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", parent], stdout=subprocess.PIPE, timeout=LIMIT, check=True)
    child = int(done.stdout)
    wait_until(lambda: not _lives(child), "the worker is gone")


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # a zombie
