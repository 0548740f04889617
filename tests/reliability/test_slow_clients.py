from reliability.slow_clients import run


def test_others_notice_nothing_of_slow_idle_and_half_open_clients_and_their_sockets_come_back() -> None:
    figures = run(clients=40, requests=50)
    assert figures.answered == figures.requests
    assert figures.left == 0
