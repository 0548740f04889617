"""Gateways that are restarted, killed and shielded: by nginx with the README's lines, and by the parent of workers."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from reliability.killed_worker import CAN_BE_WATCHED, killed_workers
from reliability.nginx import MISSING, PORTS, Service, service
from reliability.nginx_time_limits import slow_clients
from reliability.operation import CREATE, HeldUpstream, held_upstream, wait_until
from reliability.rolling_restart import rolling_restart
from support.gateway import LIMIT, TOKEN
from support.requirements import need


@pytest.fixture
def upstream() -> Iterator[HeldUpstream]:
    """Run a REST API that creates nothing until it is released."""
    with held_upstream() as upstream:
        yield upstream


@pytest.fixture
def behind(upstream: HeldUpstream, tmp_path: Path) -> Iterator[Service]:
    """Run nginx and two gateways in front of it."""
    need_nginx()
    with service(upstream.url, tmp_path) as behind:
        yield behind


def need_nginx() -> None:
    need(not MISSING, f"the README's lines need {', '.join(MISSING)}")


def create(behind: Service, tracking_id: str) -> int:
    """Send a mutation through nginx, and give the status."""
    body = {"query": CREATE, "variables": {"id": tracking_id}}
    url = f"http://127.0.0.1:{behind.port}/graphql"
    return httpx.post(url, json=body, headers={"Authorization": TOKEN}, timeout=LIMIT, trust_env=False).status_code


def test_two_gateways_are_restarted_under_load_and_no_request_fails(tmp_path: Path) -> None:
    need_nginx()
    figures, restarts = rolling_restart(rounds=1, clients=8, folder=tmp_path)
    assert restarts == 2
    assert figures.mutations >= 100
    assert (figures.failed, figures.lost, figures.doubled) == (0, 0, 0)


def test_slow_headers_and_bodies_are_cut_off_by_nginx_and_reach_no_gateway(tmp_path: Path) -> None:
    need_nginx()
    result = slow_clients(5, tmp_path)
    assert (result.cut_off, result.reached_a_gateway) == (10, 0)
    assert result.others.requests > 0
    assert result.others.failed == 0


def test_nginx_sends_a_mutation_to_no_other_gateway_when_the_first_may_have_sent_it(
    behind: Service, upstream: HeldUpstream
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(create, behind, str(number)) for number in range(8)]
        wait_until(lambda: len(upstream.calls) == 8, "every mutation has reached the upstream")
        behind.stop(PORTS[0], signal.SIGKILL)
        wait_until(lambda: any(answer.done() for answer in answers), "nginx has noticed")
        upstream.released.set()
        statuses = {answer.result() for answer in answers}
    assert statuses == {200, 502}  # not half each: nginx's workers take turns each on its own
    assert sorted(upstream.tracking_ids()) == sorted(map(str, range(8)))


def test_nginx_finds_the_gateway_that_is_left(behind: Service, upstream: HeldUpstream) -> None:
    upstream.released.set()
    behind.stop(PORTS[1], signal.SIGKILL)
    assert [create(behind, str(number)) for number in range(10)] == [200] * 10
    assert len(upstream.calls) == 10


def test_only_the_requests_of_a_killed_worker_fail_and_it_is_replaced() -> None:
    need(CAN_BE_WATCHED, "whose connection it was is read from Linux's /proc")
    kills, clients = 2, 8
    result = killed_workers(kills, clients)
    assert result.replaced == kills
    assert result.failed_elsewhere == 0
    assert result.figures.failed <= kills * clients
    assert result.figures.mutations >= 100
    assert (result.figures.lost, result.figures.doubled) == (0, 0)
