"""Which versions of libraries are allowed, and how to try others."""

from pathlib import Path

import pytest
from reliability.lowest_versions import lowest, project, try_versions
from reliability.newest_versions import newest


def test_each_library_has_an_upper_bound() -> None:
    assert all("<" in requirement.partition(";")[0] for requirement in project()["dependencies"])


def test_libraries_with_undocumented_uses_are_bounded_by_their_next_minor_version() -> None:
    for requirement in project()["dependencies"]:
        name = newest(requirement)
        if name in ("graphql-core", "httpx", "strawberry-graphql", "uvicorn"):
            lower, upper = requirement.removeprefix(name).removeprefix(">=").split(",<")
            major, minor = lower.split(".")[:2]
            assert upper == f"{major}.{int(minor) + 1}"


@pytest.mark.parametrize(
    ("requirement", "oldest", "name"),
    [
        ("click>=8.1.8,<9", "click==8.1.8", "click"),
        (
            "uvloop>=0.21,<1; sys_platform != 'win32'",
            "uvloop==0.21; sys_platform != 'win32'",
            "uvloop; sys_platform != 'win32'",
        ),
        ("gql[aiohttp,httpx]>=4", "gql[aiohttp,httpx]==4", "gql[aiohttp,httpx]"),
    ],
)
def test_a_requirement_becomes_its_oldest_or_its_newest_version(requirement: str, oldest: str, name: str) -> None:
    assert lowest(requirement) == oldest
    assert newest(requirement) == name


def test_help_creates_no_virtual_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["lowest_versions", "--help"])
    with pytest.raises(SystemExit):
        try_versions(["no-such-package"], [])
    assert not list(tmp_path.iterdir())
