"""Virtual environments for tools that cannot share the tests' own."""

import os
import subprocess
import sys
from pathlib import Path

from support.requirements import need

LIMIT = 300  # seconds


def run(command: list[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with these environment variables and without a `PYTHONPATH`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def python_with(folder: Path, *requirements: str, **variables: str) -> Path:
    """Create a virtual environment in a folder, install requirements in it, and return its Python."""
    run([sys.executable, "-m", "venv", folder], folder)
    python = folder / "bin" / "python"
    installed = run([python, "-m", "pip", "install", "--quiet", *requirements], folder, **variables)
    need(installed.returncode == 0, f"{requirements[0]} cannot be installed: the package index is unreachable")
    return python
