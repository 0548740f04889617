"""A gateway and a sandbox as processes, and a browser that reaches nothing else."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright
from support.browser import CHROMIUM, CHROMIUM_OPTIONS, GraphiQLPage, only_this_machine
from support.requirements import need

START_LIMIT = 60.0  # seconds


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the base URL of `invitations-gateway dev`."""
    with running("dev", log=tmp_path_factory.mktemp("dev") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def serve(dev: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the base URL of `invitations-gateway serve` in front of the sandbox of `dev`."""
    log = tmp_path_factory.mktemp("serve") / "log"
    with running("serve", log=log, GATEWAY_UPSTREAM_URL=f"{dev}/v1.0") as url:
        yield url


@contextmanager
def running(command: str, *, log: Path, **environment: str) -> Iterator[str]:
    """Run the installed gateway until the block ends; give its base URL once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    # -P: the installed package, not the one in the current directory
    program = [sys.executable, "-P", "-c", "from gateway.cli import main; main()", command, "--port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(program, env=inherited | environment, stdout=output, stderr=output) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_healthy(url, process, log)
            yield url
        finally:
            process.terminate()


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the gateway did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    need(CHROMIUM.exists(), f"Chromium is not installed at {CHROMIUM} (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that every test leaves a picture of its last moment in."""
    folder = Path(os.environ.get("GATEWAY_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def graphiql(
    chromium: Browser, screenshots: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], GraphiQLPage]]:
    """Open tabs of one fresh profile; fail when any of them complained or asked another host for something."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    complaints: list[str] = []
    only_this_machine(context, complaints)
    try:
        yield lambda: GraphiQLPage(context.new_page())
        for number, page in enumerate(context.pages):
            page.screenshot(path=screenshots / f"{request.node.name}-{number}.png")
        assert complaints == []
    finally:
        context.close()
