"""How long a call waits before a retry."""

import httpx
import pytest

from gateway.invitations.retries import Retry, after_error, after_status

SECONDS: dict[str, tuple[Retry | None, float, float]] = {
    "throttled": (after_status(429, httpx.Headers()), 0.0, 1.0),
    "unavailable": (after_status(503, httpx.Headers()), 0.0, 1.0),
    "told when": (after_status(429, httpx.Headers({"Retry-After": "7"})), 7.0, 0.1),
    "told at once": (after_status(503, httpx.Headers({"Retry-After": "0"})), 0.0, 0.1),
    "lost": (after_error(httpx.ReadError("lost")), 0.0, 0.1),
    "not connected": (after_error(httpx.ConnectError("refused")), 0.0, 0.1),
}


@pytest.mark.parametrize(("retry", "at_least", "more"), SECONDS.values(), ids=SECONDS.keys())
def test_a_pause_is_the_requested_time_plus_a_random_part_that_doubles(
    retry: Retry | None, at_least: float, more: float
) -> None:
    assert retry is not None
    for tries, doubled in ((1, more), (2, 2 * more)):
        pauses = [retry.pause(tries) - at_least for _ in range(1000)]
        assert 0.75 * doubled == pytest.approx(min(pauses), rel=0.1)
        assert 1.25 * doubled == pytest.approx(max(pauses), rel=0.1)
