"""GraphiQL's page in Chromium, and what a user does on it."""

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
    # Workers cannot reach other hosts either: Playwright does not see their requests.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
LIMIT = 60_000  # milliseconds, generous for a busy machine


def only_this_machine(context: BrowserContext, complaints: list[str]) -> None:
    """Block requests to other hosts. Record them in `complaints`, with the browser's errors and warnings."""

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
        return  # the gateway rejected an operation; the page shows the error
    if kind in {"error", "warning", "assert"}:
        complaints.append(f"console {kind}: {text}")


class GraphiQLPage:
    """A browser tab with GraphiQL."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.header = page.locator("header")
        self.tabs = page.get_by_role("tab")
        self.token = page.get_by_label("Bearer token")
        page.set_default_timeout(LIMIT)

    def open(self, url: str) -> "GraphiQLPage":
        """Open the URL, and wait until GraphiQL has loaded the schema and its first operation."""
        self.page.goto(url)
        return self.ready()

    def ready(self) -> "GraphiQLPage":
        """Wait for the first operation, and for the schema: without it the documentation only shows a spinner."""
        expect(self._lines("Operation Editor").first).to_be_visible(timeout=LIMIT)
        self.page.wait_for_function("() => document.querySelector('.graphiql-spinner, .graphiql-spin') === null")
        return self

    def choose_tab(self, title: str) -> None:
        """Show the example with this name."""
        self.tabs.filter(has_text=title).click()

    def type_into(self, editor: str, text: str) -> None:
        """Replace the text of an editor: `Operation Editor`, `Variables` or `Headers`."""
        self.page.get_by_label(editor, exact=True).locator(".monaco-editor").filter(visible=True).click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)
        for key in ("Control+Shift+End", "Delete"):  # the brackets that the editor added
            self.page.keyboard.press(key)

    def text_of(self, file: str) -> str:
        """Return the full text of a file in GraphiQL, including what is scrolled out of view.

        The files are `operation.graphql`, `variables.json`, `request-headers.json` and `response.json`.
        """
        find = "file => __MONACO.editor.getModels().find(model => model.uri.path.endsWith(file))?.getValue() ?? ''"
        return str(self.page.evaluate(find, file))

    def wait_until_stored(self, operation: str) -> None:
        """Wait until GraphiQL has stored its tabs with this operation; it does so with a delay."""
        stored = "name => sessionStorage.getItem('graphiql:tabState')?.includes(name)"
        self.page.wait_for_function(stored, arg=operation)

    def problems(self) -> list[str]:
        """Return the messages of the operation's underlined parts."""
        find = "__MONACO.editor.getModelMarkers({ owner: 'graphql' }).map(marker => marker.message)"
        return [str(message) for message in self.page.evaluate(find)]

    def wait_for_problem(self, words: str) -> None:
        """Wait until the message of an underlined part of the operation has these words."""
        found = (
            "words => __MONACO.editor.getModelMarkers({ owner: 'graphql' }).some(one => one.message.includes(words))"
        )
        self.page.wait_for_function(found, arg=words, timeout=LIMIT)

    def run(self) -> Any:
        """Press the run button, and return the displayed response, decoded from JSON."""
        with self.page.expect_response(lambda response: response.request.method == "POST", timeout=LIMIT):
            self.page.get_by_label("Execute query").click()
        expect(self._lines("Result Window").filter(has_text=re.compile(r"\S")).first).to_be_visible(timeout=LIMIT)
        return json.loads(self.text_of("response.json"))

    def _lines(self, section: str) -> Any:
        return self.page.get_by_label(section, exact=True).locator(".view-line")
