from reliability.faults import run

REQUESTS = 180
"""Each kind of fault with a create and with a read, over TCP and over TLS."""


def test_every_fault_is_reported_correctly_and_nothing_is_sent_twice_or_left_behind() -> None:
    figures = run(REQUESTS)
    assert figures.wrong == []
    assert figures.requests >= REQUESTS
    assert figures.sent_twice == 0
    assert (figures.sockets, figures.tasks, figures.connections) == (0, 0, 0)
