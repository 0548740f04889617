"""Gateways that are restarted, killed and shielded: by nginx with the README's lines, and by the parent of workers."""

from pathlib import Path

from reliability.rolling_restart import rolling_restart
from support.nginx import need_nginx


def test_two_gateways_are_restarted_under_load_and_no_request_fails(tmp_path: Path) -> None:
    need_nginx()
    figures, restarts = rolling_restart(rounds=1, clients=8, folder=tmp_path)
    assert restarts == 2
    assert figures.mutations >= 100
    assert (figures.failed, figures.lost, figures.doubled) == (0, 0, 0)
