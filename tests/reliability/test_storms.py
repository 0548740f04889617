from reliability.storms import GROWTH, pipeline
from support.gateway import GatewayProcess
from support.processes import need_proc


def test_clients_that_send_requests_without_end_cost_nobody_anything(gateway: GatewayProcess) -> None:
    need_proc()
    grown, _ = pipeline(gateway, clients=40, size=10_000_000)
    assert grown < GROWTH
