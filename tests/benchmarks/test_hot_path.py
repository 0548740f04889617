import json

import pytest
from benchmarks.hot_path import committed, counted_with
from support.commands import run_benchmarks
from support.requirements import need

RENEW = "renew the figures: python -m benchmarks hot-path --renew"


@pytest.fixture(scope="module")
def calls() -> dict[str, int]:
    """Count in a separate process, because the hooks of pytest and its plugins would be counted, too."""
    versions, _ = committed()
    other = {name: found for name, found in counted_with().items() if versions.get(name) != found}
    if "python" in other:
        pytest.skip(f"the figures were counted with Python {versions['python']}")
    need(not other, f"the figures were not counted with {other}; {RENEW}")
    counted: dict[str, int] = json.loads(run_benchmarks("hot-path", "--json"))
    return counted


@pytest.mark.parametrize("operation", ["C", "M", "Q1", "QL"])
def test_a_request_makes_at_most_a_tenth_more_calls_than_committed(operation: str, calls: dict[str, int]) -> None:
    _, figures = committed()
    assert calls[operation] <= figures[operation] * 1.1, RENEW
