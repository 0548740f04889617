"""Run the tests with the newest version of each library, whatever pyproject.toml admits.

    python -m reliability.newest_versions [FOLDER [TEST …]]

Makes a virtual environment in FOLDER (a temporary one unless said) and runs all tests there, or those given. What fails
in `tests/libraries` says which name or behaviour of a library has changed; when nothing fails, the upper bounds can be
raised.
"""

import re
import sys

from reliability.lowest_versions import project, try_versions


def newest(requirement: str) -> str:
    """Take the bounds from a requirement, and keep its extras and its marker."""
    return re.sub(r"\s*[<>=!~][^;]*", "", requirement, count=1)


def main() -> int:
    """Install and test."""
    found = project()
    requirements = [*found["dependencies"], *found["optional-dependencies"]["test"]]
    return try_versions([newest(requirement) for requirement in requirements], ["tests"])


if __name__ == "__main__":
    sys.exit(main())
