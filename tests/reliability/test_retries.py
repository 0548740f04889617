import pytest
from reliability.killed_worker import CAN_BE_WATCHED
from reliability.retries import STORES, retries
from support.nginx import need_nginx
from support.requirements import need


@pytest.mark.parametrize("store", STORES)
def test_clients_that_lose_responses_and_retry_with_keys_send_no_invitation_twice(store: str) -> None:
    need(CAN_BE_WATCHED, "the workers are found in Linux's /proc")
    if store == "redis-nginx":
        need_nginx()
    invitations = 600
    figures = retries(store, invitations, clients=32, kills=2)
    assert figures.requests > (invitations - figures.in_lists) * 1.2
    assert 0 < figures.in_lists < invitations
    assert figures.acknowledged > invitations * 0.8
    assert figures.kills == 2
    assert (figures.doubled, figures.missing, figures.unexplained) == (0, 0, 0)
