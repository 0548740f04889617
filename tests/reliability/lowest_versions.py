"""Run some of the tests with the oldest versions of libraries that pyproject.toml allows.

    python -m reliability.lowest_versions [FOLDER [TEST …]]

Creates a virtual environment in FOLDER (default: a temporary folder), installs the lower bound of each dependency and
the tools that the tests need, and runs the given tests there (default: those that depend most on the libraries).
"""

import argparse
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
    """Return the project table of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def lowest(requirement: str) -> str:
    """Return a requirement for exactly the lower bound of this one."""
    return re.sub(r">=\s*([^,;\s]+)[^;]*", r"==\1", requirement)


def try_versions(requirements: Sequence[str], tests: Sequence[str]) -> int:
    """Install requirements in a new virtual environment, and run these tests there, or those on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, help="of the virtual environment (default: temporary)")
    parser.add_argument("tests", nargs="*", default=tests, help="files or folders, from the repository's root")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", *requirements], check=True, cwd=ROOT)
        subprocess.run([*pip, "freeze"], check=True)
        run = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *given.tests]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(run, check=False, cwd=ROOT, env=environment).returncode


def main() -> int:
    """Install and test."""
    return try_versions([*(lowest(requirement) for requirement in project()["dependencies"]), *TOOLS], TESTS)


if __name__ == "__main__":
    sys.exit(main())
