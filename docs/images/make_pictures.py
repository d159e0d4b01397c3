"""The picture of the start page: the first screen of the report of a finished run.

trimtab study examples/quickstart.yaml
python docs/images/make_pictures.py runs/quickstart     # needs playwright, pillow and a chromium
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("report.png")
WIDTH, HEIGHT, SCALE = 1180, 1010, 2
COLORS = 64
"""The page has few; this makes the file a third as large."""


def take(page: Path, picture: Path) -> None:
    """Draw the first screen of a report, once its figures are there."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = started.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE, color_scheme="light"
        )
        tab.goto(page.resolve().as_uri())
        tab.wait_for_function("document.documentElement.dataset.drawn === 'yes'", timeout=60_000)
        tab.screenshot(path=picture)
        started.close()
    with Image.open(picture) as drawn:
        few = drawn.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]) / "report.html", PICTURE)
