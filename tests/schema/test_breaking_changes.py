"""The schema stays compatible with frontends written for its earlier versions.

A commit that breaks it on purpose has a line that begins with `BREAKING CHANGE: ` in its message, as in Conventional
Commits. Versions before that commit no longer count.
"""

import subprocess
from pathlib import Path

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes
from support.requirements import need

from gateway.schema import create_schema


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def breaking_changes(checkout: Path, sdl: str) -> list[str]:
    """Return the changes that break clients of any version of schema.graphql since the last intended break."""
    meant = git(checkout, "log", "-1", "--format=%H", "--grep=^BREAKING CHANGE: ")
    commits = git(checkout, "log", "--format=%h", f"{meant}..HEAD" if meant else "HEAD", "--", "schema.graphql").split()
    now = build_schema(sdl)
    found = {}
    for commit in [*commits, meant] if meant else commits:
        before = build_schema(git(checkout, "show", f"{commit}:schema.graphql"))
        for change in find_breaking_changes(before, now):
            found[change.description] = f"{change.description} (It is otherwise in {commit[:12]}.)"
    return sorted(found.values())


def test_the_schema_is_compatible_with_its_earlier_versions() -> None:
    checkout = Path(__file__).parents[2]
    need((checkout / ".git").exists(), "earlier versions of schema.graphql exist only in git")
    need(git(checkout, "rev-parse", "--is-shallow-repository") == "false", "the git history is incomplete")
    assert git(checkout, "log", "--format=%h", "--", "schema.graphql")
    broken = breaking_changes(checkout, create_schema().as_str())
    assert not broken, "\n".join(["this breaks clients (if that is intended, see the top of this file):", *broken])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "Begin", "type Query { name: String }")
    return tmp_path


def commit(checkout: Path, message: str, sdl: str) -> None:
    (checkout / "schema.graphql").write_text(sdl)
    git(checkout, "add", "schema.graphql")
    git(checkout, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", message)


def test_a_field_removed_in_any_commit_is_listed(checkout: Path) -> None:
    commit(checkout, "Add age", "type Query { name: String age: String }")
    commit(checkout, "Remove age", "type Query { name: String }")
    (listed,) = breaking_changes(checkout, "type Query { name: String }")
    assert "Query.age was removed" in listed


def test_a_field_may_be_added(checkout: Path) -> None:
    assert breaking_changes(checkout, "type Query { name: String age: String }") == []


def test_an_intended_break_is_allowed_but_a_later_one_is_not(checkout: Path) -> None:
    commit(checkout, "Rename name\n\nBREAKING CHANGE: it was wrong", "type Query { title: String }")
    assert breaking_changes(checkout, "type Query { title: String }") == []
    (listed,) = breaking_changes(checkout, "type Query { name: String }")
    assert "Query.title was removed" in listed
