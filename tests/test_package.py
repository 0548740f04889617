"""The tests run against the installed package, not the checkout."""

import re
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest
from support.commands import run_command
from support.requirements import need

import gateway

pytestmark = pytest.mark.quick

CHECKOUT = Path(__file__).parents[1]


def test_the_package_under_test_is_the_installed_one() -> None:
    found = Path(gateway.__file__).resolve()
    need(
        not found.is_relative_to(CHECKOUT) or "site-packages" in found.relative_to(CHECKOUT).parts,
        f"gateway comes from the checkout ({found.parent}): pip install '.[test]' installs it",
    )


def test_the_command_is_installed_with_the_package() -> None:
    scripts = entry_points(group="console_scripts", name="invitations-gateway")
    need(scripts, "the package is not installed: pip install '.[test]' installs it")
    (script,) = scripts
    assert script.value == "gateway.cli:main"
    assert version("invitations-gateway") == gateway.__version__
    assert gateway.__version__ in run_command("--version").stdout


def test_the_package_contains_graphiql() -> None:
    assets = Path(gateway.__file__).parent / "http" / "graphiql" / "assets"
    need(list(assets.glob("*.br")), "GraphiQL's assets are built with the package: pip install '.[test]'")


def test_the_metadata_has_what_people_search_for() -> None:
    told = metadata("invitations-gateway")
    classifiers = told.get_all("Classifier", [])
    assert {"Typing :: Typed", "Framework :: AsyncIO"} <= set(classifiers), "run pip install '.[test]' again"
    assert told["Keywords"]
    assert told["Summary"]
    assert told["Description-Content-Type"] == "text/markdown"
    assert told["Description"].startswith("# Invitations Gateway\n")
    # The owner adds the licence and the authors.
    assert not {"Author", "Author-Email", "License", "License-Expression", "Project-URL"} & set(told)
    assert not [each for each in classifiers if each.startswith(("License ::", "Private ::"))]


def test_the_metadata_names_the_tested_python_versions() -> None:
    told = metadata("invitations-gateway")
    named = [found[1] for each in told.get_all("Classifier", []) if (found := re.search(r":: (3\.\d+)$", each))]
    workflow = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    (matrix,) = re.findall(r"^ +python: \[(.+)\]$", workflow, re.MULTILINE)
    assert named == re.findall(r"3\.\d+", matrix)
    assert told["Requires-Python"] == f">={named[0]}"
