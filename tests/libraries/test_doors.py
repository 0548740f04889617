"""Only one module uses the undocumented parts of a library, so that a new version is checked in one place."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import graphql
import httpx
import pytest
import strawberry
import uvicorn

import gateway

ROOT = Path(gateway.__file__).parent
DOORS = {
    "engine/graphql_internals.py": "graphql",
    "engine/strawberry_internals.py": "strawberry",
    "server/uvicorn_internals.py": "uvicorn",
    "transport/httpx_internals.py": "httpx",
}
DOCUMENTED = {
    "graphql": set(graphql.__all__),
    "graphql.pyutils": {"inspect"},
    "httpx": set(httpx.__all__),
    "strawberry": set(strawberry.__all__),
    "strawberry.exceptions": {"StrawberryGraphQLError"},
    "strawberry.relay": {"GlobalID"},
    "strawberry.schema.config": {"StrawberryConfig"},
    "strawberry.types.field": {"StrawberryField"},
    "uvicorn": set(uvicorn.__all__),
}
"""Names by module. Those that are missing from the `__all__` of the library's package are documented on a page."""
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a module uses from libraries, each with its source module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name.rpartition(".")[0], alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


def test_each_library_has_its_module() -> None:
    assert set(DOORS) <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_no_other_module_uses_undocumented_names(module: str) -> None:
    libraries = set(DOORS.values()) - {DOORS.get(module)}
    names = {(source, name) for source, name in used(parsed(module)) if source.split(".")[0] in libraries}
    assert not {(source, name) for source, name in names if name not in DOCUMENTED.get(source, set())}


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(DOORS)))
def test_no_other_module_uses_private_names_of_its_base_classes(module: str) -> None:
    source = (ROOT / module).read_text(encoding="utf-8")
    assert "SLF001" not in source
    name = ".".join(("gateway", *Path(module).with_suffix("").parts)).removesuffix(".__init__")
    ours = {it for _, it in inspect.getmembers(importlib.import_module(name), inspect.isclass) if it.__module__ == name}
    bases = {base for it in ours for base in it.__mro__ if base.__module__.split(".")[0] in DOORS.values()}
    methods = [it for base in bases for it in vars(base).values() if inspect.isfunction(it)]
    private = {found for method in methods for found in method.__code__.co_names if found.startswith("_")}
    assert not private & set(re.findall(r"self\.(_[a-z]\w+)", source))


def test_resolvers_use_only_the_context_because_the_engine_provides_nothing_else() -> None:
    attributes = {
        name
        for module in MODULES
        if module.startswith("schema/")
        for source, name in used(parsed(module))
        if source == "info"
    }
    assert attributes == {"context"}
