"""What a retry does with what the answer before it said."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Request, json_answer
from support.scripted_upstream import answer

from gateway.invitations.retries import after_error, after_status, retry_after

READ = 'query { invitation(id: "1") { id } }'


def test_the_retry_after_a_503_takes_a_new_connection_although_others_are_idle(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
    both_asked = threading.Barrier(2, timeout=60)

    def at_once(call: Request) -> bytes:
        both_asked.wait()
        return json_answer(200, {"id": call.target[-1]})

    upstream.expect(at_once)
    gateway.data('query { a: invitation(id: "1") { id } b: invitation(id: "2") { id } }')
    idle = upstream.accepted
    assert idle >= 2
    answers = iter([answer(503, b"", b"Retry-After: 0"), json_answer(200, {"id": "1"})])
    upstream.expect(lambda _: next(answers))
    gateway.data(READ)
    assert len(upstream.calls) == 2
    assert upstream.accepted == idle + 1


def test_retry_after_is_kept_although_the_answer_is_too_large(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(lambda _: answer(429, b"x" * 9_000_000, b"Retry-After: 3600", b"request-id: abc"))
    extensions = gateway.error(READ)["extensions"]
    assert len(upstream.calls) == 1
    assert (extensions["code"], extensions["retryAfter"], extensions["requestId"]) == ("RATE_LIMITED", 3600, "abc")


@pytest.mark.parametrize(
    "spell",
    [
        lambda date: format_datetime(date, usegmt=True),
        lambda date: format_datetime(date.replace(tzinfo=None)),
        lambda date: date.strftime("%a %b %e %H:%M:%S %Y"),
    ],
    ids=["as it is", "with -0000", "as asctime"],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_date_in_retry_after_is_in_utc_wherever_the_gateway_is(
    monkeypatch: pytest.MonkeyPatch, spell: Callable[[datetime], str], zone: str
) -> None:
    import time  # noqa: PLC0415 (its zone is changed)

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        date = datetime.now(UTC) + timedelta(minutes=10)
        seconds = retry_after(httpx.Headers({"Retry-After": spell(date)}))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert seconds is not None
    assert 540 < seconds <= 601


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("00000000005", 5),
        ("9" * 30, 2**31 - 1),
        ("9" * 5000, 2**31 - 1),
        ("2.5", 3),
        ("2.0", 2),
        (".5", 1),
        ("5.", 5),
        ("10, 10", 10),
        ("3,12.1,,7,", 13),
        (" 10 ", 10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 2**31 - 1),
        ("5, Wednesday, 21-Oct-15 07:28:00 GMT, 7.1", 8),
        ("Wed Oct 21 07:28:00 2015, 3", 3),
        ("10, soon", None),
        ("Wed,", None),
        ("inf", None),
        ("nan", None),
        ("1_0", None),
        ("+5", None),
        ("5 seconds", None),
        ("\u0663", None),
        ("x" * 60_000, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT" + " x" * 50, None),
    ],
)
def test_retry_after_is_the_largest_of_its_values_rounded_up_or_cannot_be_read(text: str, seconds: int | None) -> None:
    headers = httpx.Headers([(b"Retry-After", text.encode())])
    assert retry_after(headers) == seconds
    assert (after_status(429, headers) is None) is (seconds is None)


def test_a_lost_connection_is_retried_sooner_than_a_throttled_request() -> None:
    lost, throttled = after_error(httpx.ReadError("lost")), after_status(429, httpx.Headers())
    assert lost is not None
    assert throttled is not None
    for _ in range(100):
        assert [lost.pause(n) < 0.5 <= throttled.pause(n) / n for n in (1, 2)] == [True, True]
