"""The pictures of the playground's page: a running one, asked one question under a few settings.

trimtab play runs/quickstart --port 8123
python docs/images/make_playground_pictures.py http://127.0.0.1:8123     # needs playwright, pillow and a chromium
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
QUESTION = "How was your day?"
COLORS = 128
"""The page has few; this makes the files a third as large."""


def main(address: str) -> None:
    """Draw the page on a desk, at its words and at its nats, and on a phone in the dark."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = opened(started, address, {"width": 1240, "height": 860}, "light")
        tab.click("#add-steered")
        tab.click("#add-asking")
        ask(tab)
        shown(tab, "playground.png")
        tab.select_option("#view", "kl")
        tab.wait_for_selector(".reply:nth-child(4) .tokens")
        hottest(tab).hover()
        shown(tab, "playground-nats.png")
        tab = opened(started, address, {"width": 390, "height": 844}, "dark")
        ask(tab)
        tab.locator(".turn").scroll_into_view_if_needed()
        shown(tab, "playground-phone.png")
        started.close()


def opened(browser: Any, address: str, size: Any, scheme: Any) -> Page:
    """The page when it is ready."""
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=1.5)
    tab: Page = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("html[data-ready=yes]")
    return tab


def ask(tab: Page) -> None:
    """Ask every column for a short reply."""
    tab.click(".drawing summary")
    tab.fill("#tokens", "48")
    tab.click(".drawing summary")
    tab.fill("#message", QUESTION)
    tab.press("#message", "Enter")
    tab.wait_for_selector("html[data-running=no] .reply .text:not(:empty)", timeout=300_000)
    tab.locator("#message").blur()


def hottest(tab: Page) -> Any:
    """The token of the first steered column that was moved most."""
    tokens = tab.locator(".reply:nth-child(2) .t").all()
    return max(tokens, key=lambda t: float(t.evaluate("e => e.style.getPropertyValue('--heat')").rstrip("%")))


def shown(tab: Page, name: str) -> None:
    """Write what is seen as a picture of few colors."""
    picture = HERE / name
    tab.screenshot(path=picture)
    with Image.open(picture) as drawn:
        few = drawn.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
