from reliability.slow_clients import run


def test_slow_idle_and_half_open_clients_do_not_affect_others_and_their_sockets_are_closed() -> None:
    figures = run(clients=40, requests=50)
    assert figures.answered == figures.requests
    assert figures.left == 0
