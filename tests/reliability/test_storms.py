from reliability.storms import GROWTH, pipeline
from support.gateway import GatewayProcess
from support.processes import need_proc


def test_clients_that_flood_the_gateway_with_requests_do_not_affect_others(gateway: GatewayProcess) -> None:
    need_proc()
    grown, _ = pipeline(gateway, clients=40, size=10_000_000)
    assert grown < GROWTH
