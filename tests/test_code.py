"""The code and its tests are clean under the tools that pyproject.toml configures."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize("tool", ["mypy", "ruff check", "ruff format --check"])
def test_the_code_is_clean(tool: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *tool.split()], cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, f"{tool}\n{result.stdout}{result.stderr}"
