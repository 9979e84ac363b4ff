"""Takes the picture of the page that the README shows: python -m tests.screenshot [FOLDER].

With a folder, the dark page, the phone's and the other panels are put there, too, to be looked at.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.server import REAL, ROOT, running

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",  # it may run as root
    "--disable-gpu",
    # Without these it looks for hosts of its maker.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TEXT = "Ana Ferreira of the World Health Organization met Swiss officials in Geneva."
WIDE = {"viewport": {"width": 960, "height": 930}, "reduced_motion": "reduce"}
LOOKS = {
    "light": WIDE,
    "dark": {**WIDE, "color_scheme": "dark"},
    "phone": {**WIDE, "viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
}


def take(
    browser: Browser, url: str, file: Path, *, look: str, tab: str, example: str | None = None
) -> None:
    """Take one picture, of an example of the page's or of our own."""
    with browser.new_context(**LOOKS[look]) as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_label("Text", exact=True).fill(TEXT)
        for _ in range(2):  # the first answer also warms the model's caches
            page.get_by_role("button", name=example or "Find names").click()
            expect(page.locator("#status")).to_contain_text("found in", timeout=60_000)
        page.get_by_role("tab", name=tab).click()
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=file, full_page=True)


def main() -> None:
    """Take the picture, and the others if there is a folder for them."""
    with running(*REAL) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        take(browser, server.url, ROOT / "docs" / "page.png", look="light", tab="Tokens")
        for folder in map(Path, sys.argv[1:]):
            for look in LOOKS:
                for example, tab in (
                    ("Bob and Yoda", "Tokens"),
                    ("News", "Entities"),
                    ("Emoji", "JSON"),
                    ("Right to left", "curl"),
                ):
                    file = folder / f"{look}-{tab}.png"
                    take(browser, server.url, file, look=look, tab=tab, example=example)
        browser.close()


if __name__ == "__main__":
    main()
