"""Headless Chromium for the tests of the page, and what every page must hold while it is used."""

import contextlib
import urllib.parse

from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A page whose console and requests are written down."""

    def __init__(self, context, origin):
        self.page = context.new_page()
        self.origin = urllib.parse.urlsplit(origin).netloc
        self.errors = []
        self.foreign = []
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request):
        parts = urllib.parse.urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and parts.netloc != self.origin:
            self.foreign.append(request.url)

    def check(self):
        assert not self.errors, self.errors
        assert not self.foreign, self.foreign


def job_card(page, name):
    return page.locator("li.job").filter(has=page.get_by_role("heading", name=name, exact=True))


def finished(page, name, timeout_ms=90_000):
    card = page.locator("#finished li.job").filter(has=page.get_by_role("heading", name=name, exact=True))
    card.wait_for(timeout=timeout_ms)
    return card
