"""Run the tests with the newest version of each library, whatever pyproject.toml allows.

    python -m reliability.newest_versions [FOLDER [TEST …]]

Creates a virtual environment in FOLDER (default: a temporary folder) and runs the given tests there (default: all).
Failures in `tests/libraries` show which name or behaviour of a library has changed. If nothing fails, the bounds can
be raised.
"""

import re
import sys

from reliability.lowest_versions import project, try_versions


def newest(requirement: str) -> str:
    """Return a requirement without its bounds, with its extras and its marker."""
    return re.sub(r"\s*[<>=!~][^;]*", "", requirement, count=1)


def main() -> int:
    """Install and test."""
    found = project()
    requirements = [*found["dependencies"], *found["optional-dependencies"]["test"]]
    return try_versions([newest(requirement) for requirement in requirements], ["tests"])


if __name__ == "__main__":
    sys.exit(main())
