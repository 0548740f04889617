"""Check whether the machine has what a test needs."""

import os

import pytest


def everything_must_run() -> bool:
    """Return whether a test that cannot run here must fail instead of being skipped, as it must in CI."""
    return bool(os.environ.get("REQUIRE_ALL_TESTS"))


def need(condition: object, reason: str) -> None:
    """Skip the test with this reason unless the condition holds; fail it in CI, where everything must run."""
    if condition:
        return
    if everything_must_run():
        pytest.fail(reason)
    pytest.skip(reason)
