"""The code and its tests pass the tools that pyproject.toml configures; modules and functions are short."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from support.requirements import need

CHECKOUT = Path(__file__).parents[1]
SHARED = {"gateway", "errors", "lazy_timer", "sink", "telemetry"}
MAY_IMPORT: dict[str, set[str]] = {
    "server": {"http", "settings"},
    "http": {"engine"},
    "engine": set(),
    "schema": {"idempotency", "invitations"},
    "idempotency": set(),
    "invitations": {"transport"},
    "transport": set(),
    "sandbox": set(),
}
"""The arrows of the diagram in `.github/DESIGN.md`."""
TOOLS = ["mypy", "ruff check", "ruff format --check"]
MODULE_LINES = 250
FUNCTION_LINES = 50


@pytest.mark.parametrize("tool", TOOLS)
def test_the_code_is_clean(tool: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *tool.split()], cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, f"{tool}\n{result.stdout}{result.stderr}"


def test_pre_commit_runs_the_same_tools() -> None:
    hooks = (CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"^ +entry: (.+)$", hooks, re.MULTILINE)
    assert sorted(entry.replace(" --force-exclude", "") for entry in entries) == sorted(TOOLS)
    # `system` runs the environment's tools, so versions are pinned only once.
    assert re.findall(r"^ +language: (.+)$", hooks, re.MULTILINE) == ["system"] * len(TOOLS)


@pytest.mark.parametrize("tool", ["mypy", "ruff"])
def test_the_tools_have_the_versions_that_ci_pins(tool: str) -> None:
    constraints = (CHECKOUT / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    (pinned,) = re.findall(rf"^{tool}==(.+)$", constraints, re.MULTILINE)
    need(version(tool) == pinned, f"CI has {tool} {pinned}: pip install -c .ci/constraints.txt '.[test]' installs it")


@pytest.mark.quick
def test_modules_and_functions_are_short() -> None:
    assert [
        f"{file.relative_to(CHECKOUT)}: {name} has {lines} lines, more than {limit}"
        for file in (CHECKOUT / "gateway").rglob("*.py")
        for name, lines, limit in parts(file.read_text(encoding="utf-8"))
        if lines > limit
    ] == []


@pytest.mark.quick
@pytest.mark.parametrize("room", sorted(file.parent.name for file in (CHECKOUT / "gateway").glob("*/__init__.py")))
def test_a_package_imports_only_from_packages_below_it(room: str) -> None:
    files = (CHECKOUT / "gateway" / room).rglob("*.py")
    found = {name for file in files for name in imported(file.read_text(encoding="utf-8"))}
    assert found - SHARED - {room} <= MAY_IMPORT[room]


def imported(source: str) -> Iterator[str]:
    """Yield the parts of `gateway` that a module imports: `transport` for `gateway.transport.tls`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            modules = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "gateway" else [node.module]
            )
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        for module in modules:
            package, _, rest = (module or "").partition(".")
            if package == "gateway":
                yield rest.partition(".")[0].removeprefix("__version__") or "gateway"


def parts(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield the module and each of its functions, with its number of lines and the limit."""
    yield "the module", len(source.splitlines()), MODULE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            yield f"{node.name}()", node.end_lineno - node.lineno + 1, FUNCTION_LINES
