from reliability.killed_worker import CAN_BE_WATCHED, killed_workers
from support.requirements import need


def test_only_the_requests_of_a_killed_worker_fail_and_it_is_replaced() -> None:
    need(CAN_BE_WATCHED, "the owner of a connection is read from Linux's /proc")
    kills, clients = 2, 8
    result = killed_workers(kills, clients)
    assert result.replaced == kills
    assert result.failed_elsewhere == 0
    assert result.figures.failed <= kills * clients
    assert result.figures.mutations >= 100
    assert (result.figures.lost, result.figures.doubled) == (0, 0)
