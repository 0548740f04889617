"""Checks whether the machine has what a test needs."""

import os

import pytest


def everything_must_run() -> bool:
    """Return whether a test that cannot run here must fail instead of being skipped, as in CI."""
    return bool(os.environ.get("REQUIRE_ALL_TESTS"))


def need(condition: object, reason: str) -> None:
    """Skip the test with this reason unless the condition holds. Where everything must run (CI), fail it instead."""
    if condition:
        return
    if everything_must_run():
        pytest.fail(reason)
    pytest.skip(reason)
