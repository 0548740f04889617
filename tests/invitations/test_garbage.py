"""What reads leave behind is freed at once, without garbage collection."""

import gc
import time
from collections.abc import Iterator

import pytest
from support.gateway import running_gateway
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.scripted_upstream import answer
from support.waiting import wait_until

from gateway.http import endpoint
from gateway.invitations import InvitationsError

READ = '{ invitation(id: "1") { id } }'


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(class_: type) -> bool:
    return any(type(it) is class_ for it in gc.get_objects())


def test_an_invitation_that_does_not_exist_leaves_no_exception() -> None:
    with (
        InvitationsUpstream(lambda _: json_answer(404, {"error": {"code": "notFound"}})) as upstream,
        running_gateway(upstream.url) as gateway,
    ):
        assert gateway.data(READ) == {"invitation": None}
        wait_until(lambda: not alive(InvitationsError), "the exception is freed")


def test_a_query_that_is_refused_while_the_api_throttles_leaves_no_exception() -> None:
    with (
        InvitationsUpstream(lambda _: answer(429, b"", b"Retry-After: 1000")) as upstream,
        running_gateway(upstream.url) as gateway,
    ):
        for _ in range(2):
            gateway.error(READ)
        assert len(upstream.calls) == 1
        wait_until(lambda: not alive(InvitationsError), "the exceptions are freed")


def test_a_query_whose_client_was_watched_leaves_no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WATCH_AFTER", 0.0)

    def slow(_: Request) -> bytes:
        time.sleep(0.2)
        return json_answer(200, {"id": "1"})

    with InvitationsUpstream(slow) as upstream, running_gateway(upstream.url) as gateway:
        assert gateway.data(READ) == {"invitation": {"id": "1"}}
        wait_until(lambda: not alive(endpoint._ClientWatch), "the watch is freed")  # noqa: SLF001
