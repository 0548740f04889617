"""A gateway and a sandbox as processes, and a browser that can reach nothing else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.browser import CHROMIUM, CHROMIUM_OPTIONS, GraphiQLPage, only_this_machine
from support.commands import started
from support.invitations_upstream import InvitationsUpstream, always
from support.requirements import need
from support.scripted_upstream import answer


@pytest.fixture(scope="module")
def dev() -> Iterator[str]:
    """Return the base URL of `invitations-gateway dev`."""
    with started("dev", "--port", "0") as command:
        yield command.url_before("/graphql")


@pytest.fixture(scope="module")
def serve(dev: str) -> Iterator[str]:
    """Return the base URL of `invitations-gateway serve` in front of the sandbox of `dev`."""
    with started("serve", "--port", "0", variables={"GATEWAY_UPSTREAM_URL": f"{dev}/v1.0"}) as command:
        yield command.url_before("/graphql")


@pytest.fixture
def counting() -> Iterator[InvitationsUpstream]:
    """Return a REST API that counts and refuses all requests."""
    with InvitationsUpstream(always(answer(403))) as upstream:
        yield upstream


@pytest.fixture
def counted(counting: InvitationsUpstream) -> Iterator[str]:
    """Return the base URL of `invitations-gateway serve` in front of `counting`."""
    with started("serve", "--port", "0", variables={"GATEWAY_UPSTREAM_URL": f"{counting.url}/v1.0"}) as command:
        yield command.url_before("/graphql")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    need(CHROMIUM.exists(), f"Chromium is not installed at {CHROMIUM} (Debian's package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for a screenshot at the end of every test."""
    folder = Path(os.environ.get("GATEWAY_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def graphiql(
    chromium: Browser, screenshots: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], GraphiQLPage]]:
    """Open tabs in a fresh profile; fail if any of them logged a problem or contacted another host."""
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
