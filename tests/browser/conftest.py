"""A real browser without network, and a page on disk that it opens; skipped where there is no browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders.pages import Page, whole_page

_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="package")
def browser():
    """Debian's chromium, with a fresh profile."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs a browser: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def page() -> Page:
    return whole_page()


@pytest.fixture(scope="package")
def page_file(page, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page.html, encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser, page_file) -> Iterator[Callable]:
    """Open the page offline; at the end, no request has left the page and its console has no error."""
    problems, contexts = [], []

    def watch(request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            problems.append(f"requests {request.url}")

    def log(message) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text}")

    def opened(path=page_file, *, width: int = 1280, scheme: str = "light", touch: bool = False):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch, offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", watch)
        tab.on("console", log)
        tab.on("pageerror", lambda error: problems.append(f"error: {error}"))
        tab.goto(path.as_uri())
        tab.wait_for_selector("[data-ready]")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
