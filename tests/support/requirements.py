"""What a test needs of the machine it runs on."""

import os

import pytest


def everything_must_run() -> bool:
    """Tell whether a test that cannot run here has to fail instead of being skipped, as in CI."""
    return bool(os.environ.get("REQUIRE_ALL_TESTS"))


def need(condition: object, reason: str) -> None:
    """Skip the test with the reason unless the condition holds; fail it instead where everything must run (CI)."""
    if condition:
        return
    if everything_must_run():
        pytest.fail(reason)
    pytest.skip(reason)
