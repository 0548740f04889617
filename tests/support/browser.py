"""GraphiQL's page in Chromium, and what a person does on it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Route, expect

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nor does a worker, whose requests Playwright does not see, find another host.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LIMIT = 60_000  # milliseconds that anything may take on a busy machine


def only_this_machine(context: BrowserContext, complaints: list[str]) -> None:
    """Block every request to another host, and note it with whatever the browser complains of on its console."""

    def let_in(route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            complaints.append(f"request to {route.request.url}")
            route.abort()

    context.route("**/*", let_in)
    context.on("console", lambda message: _note(complaints, message.type, message.text))
    context.on("weberror", lambda error: complaints.append(f"page error: {error.error}"))


def _note(complaints: list[str], kind: str, text: str) -> None:
    if text.endswith("status of 400 (Bad Request)"):
        return  # the gateway refused an operation, and the page shows why
    if kind in {"error", "warning", "assert"}:
        complaints.append(f"console {kind}: {text}")


class GraphiQLPage:
    """One tab with GraphiQL in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.header = page.locator("header")
        self.tabs = page.get_by_role("tab")
        self.token = page.get_by_label("Bearer token")
        page.set_default_timeout(LIMIT)

    def open(self, url: str) -> "GraphiQLPage":
        """Go to the URL and wait until GraphiQL has the schema and its first operation."""
        self.page.goto(url)
        return self.ready()

    def ready(self) -> "GraphiQLPage":
        """Wait for the first operation, and for the schema, without which the documentation is only a spinner."""
        expect(self._lines("Operation Editor").first).to_be_visible(timeout=LIMIT)
        self.page.wait_for_function("() => document.querySelector('.graphiql-spinner, .graphiql-spin') === null")
        return self

    def choose_tab(self, title: str) -> None:
        """Show the example of that name."""
        self.tabs.filter(has_text=title).click()

    def type_into(self, editor: str, text: str) -> None:
        """Replace what an editor holds: `Operation Editor`, `Variables` or `Headers`."""
        self.page.get_by_label(editor, exact=True).locator(".monaco-editor").filter(visible=True).click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)
        for key in ("Control+Shift+End", "Delete"):  # the brackets that the editor closed by itself
            self.page.keyboard.press(key)

    def text_of(self, file: str) -> str:
        """Give a whole text, also what is scrolled away, by the name of its file in GraphiQL.

        The files are `operation.graphql`, `variables.json`, `request-headers.json` and `response.json`.
        """
        find = "file => __MONACO.editor.getModels().find(model => model.uri.path.endsWith(file))?.getValue() ?? ''"
        return str(self.page.evaluate(find, file))

    def wait_until_stored(self, operation: str) -> None:
        """Wait until GraphiQL has stored its tabs with this operation, as it does a while after each change."""
        stored = "name => sessionStorage.getItem('graphiql:tabState')?.includes(name)"
        self.page.wait_for_function(stored, arg=operation)

    def problems(self) -> list[str]:
        """Give the messages of what is underlined in the operation."""
        find = "__MONACO.editor.getModelMarkers({ owner: 'graphql' }).map(marker => marker.message)"
        return [str(message) for message in self.page.evaluate(find)]

    def run(self) -> Any:
        """Press the run button and give the answer that is shown, as JSON."""
        with self.page.expect_response(lambda response: response.request.method == "POST", timeout=LIMIT):
            self.page.get_by_label("Execute query").click()
        expect(self._lines("Result Window").filter(has_text=re.compile(r"\S")).first).to_be_visible(timeout=LIMIT)
        return json.loads(self.text_of("response.json"))

    def _lines(self, section: str) -> Any:
        return self.page.get_by_label(section, exact=True).locator(".view-line")
