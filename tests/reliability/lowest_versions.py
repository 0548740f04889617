"""Run some of the tests with the oldest versions that pyproject.toml admits.

    python -m reliability.lowest_versions [FOLDER [TEST …]]

Makes a virtual environment in FOLDER (a temporary one unless said), installs each dependency at its lower bound and
what the tests need beside them, and runs the engine's, the gateway's and the REST client's tests there.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TESTS = ("tests/engine/test_engine.py", "tests/invitations", "tests/schema", "tests/http/test_refusals.py", "tests/cli")
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "mypy")


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the project."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def lowest(requirement: str) -> str:
    """Turn a lower bound into the one version that it names."""
    return re.sub(r">=\s*([^,;\s]+)[^;]*", r"==\1", requirement)


def try_versions(requirements: Sequence[str], tests: Sequence[str]) -> int:
    """Install requirements in a new virtual environment and run tests there: these, or those that the command names."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", *requirements], check=True, cwd=ROOT)
        subprocess.run([*pip, "freeze"], check=True)
        run = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(sys.argv[2:] or tests)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(run, check=False, cwd=ROOT, env=environment).returncode


def main() -> int:
    """Install and test."""
    return try_versions([*(lowest(requirement) for requirement in project()["dependencies"]), *TOOLS], TESTS)


if __name__ == "__main__":
    sys.exit(main())
