"""What a test needs of the machine it runs on."""

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the test with the reason unless the condition holds; fail it instead where everything must run (CI)."""
    if condition:
        return
    if os.environ.get("GATEWAY_TESTS_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)
