"""A headless Chromium; every test here skips where there is none."""

import shutil

import pytest

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")  # no longer: it keeps an event loop, in which no other test could start its own
def chromium(tmp_path_factory):
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make browser")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium: make browser")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Open a file with the network off; ``faults`` collects what the console and the network saw."""
    contexts = []

    def opened(address, width=1280, theme="light", offline=True):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, offline=offline)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("request", lambda request: note_outside(page, request.url))
        page.goto(address)
        return page

    def note_outside(page, url):
        if not url.startswith(("file:", "data:", "blob:")):
            page.faults.append(f"request to {url[:100]}")

    yield opened
    for context in contexts:
        context.close()
