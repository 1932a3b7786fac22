"""Take the pictures of the report that README.md shows: ``python tests/browser/pictures.py reports/NAME docs``."""

import shutil
import sys
from pathlib import Path

from conftest import FLAGS
from playwright.sync_api import sync_playwright


def main(site, folder):
    """Photograph the index on a screen, light, and the first page's top on a telephone, dark."""
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, theme, width, height in (("report", "light", 1280, 860), ("report-phone", "dark", 390, 860)):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            page.goto((site.resolve() / "index.html").as_uri())
            page.screenshot(path=folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
