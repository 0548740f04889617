"""The tests show what they show of the package as people install it, not of the checkout."""

from importlib.metadata import entry_points, version
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


def test_the_package_has_graphiql_in_it() -> None:
    assets = Path(gateway.__file__).parent / "http" / "graphiql" / "assets"
    need(list(assets.glob("*.br")), "GraphiQL's assets are made when the package is built: pip install '.[test]'")
