"""Run some of the tests with the oldest versions that pyproject.toml admits.

    python tests/reliability/lowest_versions.py [FOLDER]

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
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ("tests/engine/test_engine.py", "tests/gateway", "tests/schema", "tests/http/test_refusals.py", "tests/cli")
TOOLS = ("pytest", "hypothesis", "mypy")


def lowest(requirement: str) -> str:
    """Turn a lower bound into the one version that it names."""
    return re.sub(r">=\s*([^,;\s]+)[^;]*", r"==\1", requirement)


def main() -> int:
    """Install and test."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = [lowest(requirement) for requirement in project["dependencies"]]
    print("\n".join(pinned), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned, *TOOLS]
        subprocess.run(install, check=True, cwd=ROOT)
        tests = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
        return subprocess.run(tests, check=False, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
