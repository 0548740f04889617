"""The tests cover every package of the gateway, and CI runs what the README says it runs."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CHECKOUT = TESTS.parent
ROOMS = sorted(file.parent.name for file in (CHECKOUT / "gateway").glob("*/__init__.py"))

pytestmark = pytest.mark.quick


def test_ci_runs_a_short_form_of_each_command_that_the_readme_does_not_exclude() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## How reliable it is\n")[2].partition("\n## ")[0]
    (said,) = [part for part in section.split("\n\n") if "a short form of each" in part]
    commands = re.findall(r"`python (?:-m |tests/)(\w+)[./ ](\w+)", section)
    assert len(commands) > 10
    # tests/libraries only checks what two of the commands would install.
    files = [file for file in TESTS.rglob("test_*.py") if file.parent.name != "libraries"]
    tests = "".join(file.read_text(encoding="utf-8") for file in files)
    missing = {name for room, name in commands if not re.search(rf'\b{room}\.{name}\b|"{name}\.py"', tests)}
    assert missing == {name.removesuffix(".py") for name in re.findall(r"`(\w+(?:\.py)?)`", said)}


@pytest.mark.parametrize("room", [*ROOMS, "cli"])
def test_each_package_has_quick_tests(room: str) -> None:
    marked = "\npytestmark = pytest.mark.quick\n"
    assert [file for file in (TESTS / room).glob("test_*.py") if marked in file.read_text(encoding="utf-8")]
