"""How often failed connections are logged."""

import pytest

from gateway.transport.reasons import QUIET_SECONDS, FailureLog


def test_each_kind_is_logged_once_in_ten_seconds_with_a_count_of_the_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FailureLog()
    start = 1.0  # a machine that has just started
    for seconds in (0.0, 1.0, 9.9, QUIET_SECONDS, 11.0, 2 * QUIET_SECONDS, 3 * QUIET_SECONDS, 3.5 * QUIET_SECONDS):
        monkeypatch.setattr("gateway.transport.reasons.time.monotonic", lambda now=start + seconds: now)
        log.add("api.test", 443, "tcp", ConnectionRefusedError(), None)
    monkeypatch.undo()
    assert [record.getMessage().rpartition("unlogged=")[2] for record in caplog.records] == ["0", "2", "1", "0"]
