from pathlib import Path

from reliability.storms import GROWTH, pipeline
from support.gateway_process import GatewayProcess
from support.requirements import need


def test_clients_that_send_requests_without_end_cost_nobody_anything(gateway: GatewayProcess) -> None:
    need(Path("/proc/self/status").exists(), "a process's memory is read from /proc")
    grown, _ = pipeline(gateway, clients=40, size=10_000_000)
    assert grown < GROWTH
