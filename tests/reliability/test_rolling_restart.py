"""A rolling restart behind nginx, configured as in the README."""

from pathlib import Path

from reliability.rolling_restart import rolling_restart
from support.nginx import need_nginx


def test_no_request_fails_while_two_gateways_are_restarted_under_load(tmp_path: Path) -> None:
    need_nginx()
    figures, restarts = rolling_restart(rounds=1, clients=8, folder=tmp_path)
    assert restarts == 2
    assert figures.mutations >= 100
    assert (figures.failed, figures.lost, figures.doubled) == (0, 0, 0)
