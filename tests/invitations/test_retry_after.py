"""Retry-After: how it is parsed, shown and obeyed."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.gateway import Gateway
from support.invitations_upstream import InvitationsUpstream, Request, always, json_answer, replying
from support.operations import CREATE, GET, LIST, OPERATIONS, Operation
from support.scripted_upstream import answer

from gateway.invitations.retries import after_status, retry_after

pytestmark = pytest.mark.quick

READ = 'query { invitation(id: "1") { id } }'


def test_the_retry_after_a_503_opens_a_new_connection_although_others_are_idle(
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


def test_retry_after_is_obeyed_although_the_response_is_too_large(
    gateway: Gateway, upstream: InvitationsUpstream
) -> None:
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
def test_a_date_in_retry_after_is_utc_in_any_time_zone(
    monkeypatch: pytest.MonkeyPatch, spell: Callable[[datetime], str], zone: str
) -> None:
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
def test_retry_after_is_the_largest_of_its_values_rounded_up_or_is_invalid(text: str, seconds: int | None) -> None:
    headers = httpx.Headers([(b"Retry-After", text.encode())])
    assert retry_after(headers) == seconds
    assert (after_status(429, headers) is None) is (seconds is None)


GOOD = json_answer(200, {"id": "1", "value": []})
"""Both an invitation and a page."""


SECONDS: dict[str, Callable[[], bytes]] = {
    "seconds": lambda: b"1",
    "a date": lambda: formatdate(time.time() + 2, usegmt=True).encode(),
}


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
@pytest.mark.parametrize("value", SECONDS.values(), ids=SECONDS.keys())
def test_nothing_is_sent_before_retry_after_has_passed(
    gateway: Gateway, upstream: InvitationsUpstream, value: Callable[[], bytes], operation: Operation
) -> None:
    times: list[float] = []

    def handler(_: object) -> bytes:
        times.append(time.monotonic())
        return answer(429, b"", b"Retry-After: " + value()) if len(times) == 1 else GOOD

    upstream.expect(handler)
    gateway.data(operation.query)

    first, second = times
    assert second - first > 0.95  # event loops count in milliseconds, and may wake up one early


FAR: dict[str, tuple[Callable[[], bytes], range]] = {
    "seconds": (lambda: b"3600", range(3600, 3601)),
    "a date": (lambda: formatdate(time.time() + 3600, usegmt=True).encode(), range(3000, 3601)),
    "very many seconds": (lambda: b"99999999999999999999", range(3600, 10**20)),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize(("value", "told"), FAR.values(), ids=FAR.keys())
def test_a_retry_after_beyond_the_deadline_fails_at_once_and_is_shown(
    gateway: Gateway, upstream: InvitationsUpstream, operation: Operation, value: Callable[[], bytes], told: range
) -> None:
    for status in (503, 429):  # a 429 holds up what is sent later
        upstream.expect(always(answer(status, b"", b"Retry-After: " + value())))
        assert gateway.error(operation.query)["extensions"]["retryAfter"] in told
        assert len(upstream.calls) == 1


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
@pytest.mark.parametrize(
    "value",
    [
        b"soon",
        b"-5",
        b"",
        b"1e3",
        b"5, soon",
        b"Wed, 99 Foo 2026 99:99:99 GMT",
        b"\xb2",
        b"Wed, 25 Nov 2026 00:20:00 AKST",
        b"Wed, 25 Nov 2026 09:16:12 PM",
    ],
)
def test_an_invalid_retry_after_prevents_retries(
    gateway: Gateway, upstream: InvitationsUpstream, value: bytes, operation: Operation
) -> None:
    for status in (503, 429):
        upstream.expect(replying(answer(status, b"", b"Retry-After: " + value), GOOD))
        extensions = gateway.error(operation.query)["extensions"]
        assert extensions["status"] == status
        assert "retryAfter" not in extensions
        assert len(upstream.calls) == 1


SPELLINGS = {
    "a decimal": ([b"1000.2"], 1001),
    "doubled": ([b"1000, 1000"], 1000),
    "in two headers": ([b"1000", b"1001"], 1001),
    "with spaces": ([b"  1000 \t"], 1000),
    "mixed with a date": ([b"Wed, 21 Oct 2015 07:28:00 GMT, 1000.5", b"7"], 1001),
}


@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
@pytest.mark.parametrize(("values", "seconds"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_nothing_is_sent_before_retry_after_has_passed_however_it_is_spelled(
    gateway: Gateway, upstream: InvitationsUpstream, values: list[bytes], seconds: int, operation: Operation
) -> None:
    upstream.expect(replying(answer(429, b"", *[b"Retry-After: " + value for value in values]), GOOD))
    assert gateway.error(operation.query)["extensions"]["retryAfter"] == seconds
    assert len(upstream.calls) == 1


def test_a_retry_after_in_the_past_means_now(gateway: Gateway, upstream: InvitationsUpstream) -> None:
    upstream.expect(replying(answer(503, b"", b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"), GOOD))
    gateway.data(LIST.query)
    assert len(upstream.calls) == 2


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60))
@example("Wed, 31 Dec 9999 23:59:59 -2359")
@example("Thu, 01 Jan 1 00:00:00 GMT")
@example("9" * 400)
def test_retry_after_is_a_number_of_seconds_or_none(text: str) -> None:
    seconds = retry_after(httpx.Headers([(b"retry-after", text.encode("latin-1"))]))
    assert seconds is None or seconds >= 0
