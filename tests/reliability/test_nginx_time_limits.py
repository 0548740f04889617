from pathlib import Path

from reliability.nginx_time_limits import slow_clients
from support.nginx import need_nginx


def test_nginx_cuts_off_slow_headers_and_bodies_and_they_reach_no_gateway(tmp_path: Path) -> None:
    need_nginx()
    result = slow_clients(5, tmp_path)
    assert (result.cut_off, result.reached_a_gateway) == (10, 0)
    assert result.others.requests > 0
    assert result.others.failed == 0
