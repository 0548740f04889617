"""Dates in `Retry-After`."""

from email.utils import formatdate
from math import ceil
from time import time

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.invitations.retries import _HTTP_DATE, retry_after


def test_the_seconds_until_a_date_are_rounded_up() -> None:
    before = time()
    date = int(before) + 1000
    seconds = retry_after(httpx.Headers({"Retry-After": formatdate(date, usegmt=True)}))
    after = time()
    assert seconds is not None
    assert ceil(date - after) <= seconds <= ceil(date - before)


@settings(deadline=None, max_examples=500)
@given(st.from_regex(_HTTP_DATE, fullmatch=True))
@example("Wed, 31 Dec 9999 23:59:59 -0000")
@example("Sat Jan  1 00:00:00 0001")
@example("Wed, 99-Foo-00 99:99:99 GMT")
def test_a_text_that_looks_like_a_date_is_a_date_or_invalid(text: str) -> None:
    seconds = retry_after(httpx.Headers({"Retry-After": text}))
    assert seconds is None or 0 <= seconds < 2**31
