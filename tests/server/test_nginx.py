"""Gateways behind nginx, configured as in the README."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.gateway import TOKEN
from support.leaving import CREATE, HeldUpstream, held_upstream
from support.nginx import PORTS, Service, need_nginx, service
from support.waiting import LIMIT, wait_until


@pytest.fixture
def upstream() -> Iterator[HeldUpstream]:
    """Run a REST API that holds every create until it is released."""
    with held_upstream() as upstream:
        yield upstream


@pytest.fixture
def behind(upstream: HeldUpstream, tmp_path: Path) -> Iterator[Service]:
    """Run nginx and two gateways in front of `upstream`."""
    need_nginx()
    with service(upstream.url, tmp_path) as behind:
        yield behind


def create(behind: Service, tracking_id: str) -> int:
    """Send a mutation through nginx, and return the status."""
    body = {"query": CREATE, "variables": {"id": tracking_id}}
    url = f"http://127.0.0.1:{behind.port}/graphql"
    return httpx.post(url, json=body, headers={"Authorization": TOKEN}, timeout=LIMIT, trust_env=False).status_code


def test_nginx_does_not_retry_a_mutation_that_the_first_gateway_may_have_sent(
    behind: Service, upstream: HeldUpstream
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(create, behind, str(number)) for number in range(8)]
        wait_until(lambda: len(upstream.calls) == 8, "every mutation has reached the upstream")
        behind.stop(PORTS[0], signal.SIGKILL)
        wait_until(lambda: any(answer.done() for answer in answers), "nginx has noticed")
        upstream.released.set()
        statuses = {answer.result() for answer in answers}
    assert statuses == {200, 502}  # not half each: each of nginx's workers has its own round robin
    assert sorted(upstream.tracking_ids()) == sorted(map(str, range(8)))


def test_nginx_uses_the_remaining_gateway(behind: Service, upstream: HeldUpstream) -> None:
    upstream.released.set()
    behind.stop(PORTS[1], signal.SIGKILL)
    assert [create(behind, str(number)) for number in range(10)] == [200] * 10
    assert len(upstream.calls) == 10
