"""Take the pictures of a report for README.md: ``python tests/browser/pictures.py reports/NAME docs/pictures``."""

import shutil
import sys
from pathlib import Path


def take(site, folder):
    """Photograph the index as it opens: on a screen in light colours, on a telephone in dark ones."""
    from playwright.sync_api import sync_playwright  # lets tests collect this file without it

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, theme, width in (("report", "light", 1280), ("report-phone", "dark", 390)):
            page = browser.new_page(viewport={"width": width, "height": 860}, color_scheme=theme)
            page.goto((site.resolve() / "index.html").as_uri())
            page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
