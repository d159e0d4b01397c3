"""The page in a real browser, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from browsers import needs_browser
from synthetic import synthetic_manifest, synthetic_samples
from trimtab.report import RunTables, write_report

pytestmark = needs_browser

CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(parse(getComputedStyle(document.body).backgroundColor));
  const words = "h1, h2, p, li, a, summary, th, td, dt, dd, figcaption, .files button, th button";
  const marks = ["axis-label", "axis-title", "legend-label", "title"].map((role) => `.chart .role-${role} text`).join();
  const ratio = (colour) => {
    const [low, high] = [paper, luminance(parse(colour))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return Math.min(
    ...[...document.querySelectorAll(words)].map((e) => ratio(getComputedStyle(e).color)),
    ...[...document.querySelectorAll(marks)].map((e) => ratio(getComputedStyle(e).fill)),
  );
}
"""


@contextmanager
def opened(browser, page: Path, width: int = 1000, scheme: str = "light") -> Iterator[tuple]:
    """The page once its figures are drawn, and what it said and asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("document.documentElement.dataset.drawn === 'yes'", timeout=60_000)
    yield tab, said, asked
    context.close()


def unfolded(tab) -> None:
    """Open all appendices, whose figures then take the width that they get."""
    tab.evaluate("document.querySelectorAll('.appendix').forEach((fold) => { fold.open = true; })")


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (820, "dark"), (1400, "light")])
def test_the_page_works_at_every_width_and_in_the_dark(browser, wide_page, width, scheme):
    with opened(browser, wide_page, width, scheme) as (tab, said, asked):
        assert said == []
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        wanted = len(list((wide_page.parent / "charts").glob("*.svg")))
        assert tab.locator(".chart > svg").count() == tab.locator(".chart").count() == wanted > 20
        tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        too_wide = "[...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg').clientWidth > "
        assert tab.evaluate(too_wide + "c.clientWidth + 1).length") == 0
        assert tab.evaluate(CONTRAST) >= 4.5


def test_everything_is_reached_by_keyboard(browser, demo_page):
    with opened(browser, demo_page) as (tab, said, _):
        unfolded(tab)
        reached = []
        for _ in range(200):
            tab.keyboard.press("Tab")
            focused = tab.evaluate(
                "() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " return [e.tagName, e.className, e.textContent.trim().slice(0, 20), s.outlineStyle]; }"
            )
            reached.append(focused)
            if focused[2] == "120 rows":
                break
        assert all(outline != "none" for *_, outline in reached)
        kinds = {(tag, name) for tag, name, *_ in reached}
        assert {("SUMMARY", ""), ("BUTTON", "data"), ("DIV", "scroll"), ("A", "skip")} <= kinds
        for key in ("Enter", "Tab", "Tab", "Enter"):
            tab.keyboard.press(key)
        assert tab.locator("#cells th").first.get_attribute("aria-sort") == "ascending"
        assert said == []


def test_the_page_hands_out_the_data_of_its_figures(browser, demo_page):
    with opened(browser, demo_page) as (tab, _, asked):
        unfolded(tab)
        buttons = tab.locator("button.data")
        assert buttons.count() == len(list((demo_page.parent / "charts").glob("*.csv"))) > 4
        for button in buttons.all():
            with tab.expect_download() as download:
                button.press("Enter")
            name = download.value.suggested_filename
            assert Path(download.value.path()).read_bytes() == (demo_page.parent / "charts" / name).read_bytes()
        assert not [url for url in asked if url.startswith("http")]


def test_on_paper_the_page_is_light_and_unfolded(browser, demo_page):
    with opened(browser, demo_page, 700, "dark") as (tab, _, _):
        tab.emulate_media(media="print")
        tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not tab.locator(".files").first.is_visible()
        assert tab.locator("#cells table").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 700
        assert tab.evaluate("[...document.querySelectorAll('.scroll')].every((b) => b.scrollWidth <= b.clientWidth)")


def test_names_cannot_take_the_page_over(browser, tmp_path):
    evil = "</script><script>document.title='taken over'</script>"
    also = "'];alert(1);//\\"
    samples = synthetic_samples({also: 1.2, evil: 0.0}, layers=6, strengths=(-1, -0.5, 0.5, 1), prompts=15)
    page = tmp_path / "out" / "report.html"
    write_report([RunTables("browser", synthetic_manifest(samples, 6), samples)], page)
    with opened(browser, page) as (tab, said, _):
        assert tab.title() == "browser – trimtab report"
        assert tab.locator(".chart > svg").count() == tab.locator(".chart").count() > 5
        assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_people_out(browser, demo_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with opened(browser, demo_page, 1300, scheme) as (tab, _, _):
        unfolded(tab)
        found = axe.Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
        tab.evaluate("document.documentElement.lang = ''")
        assert axe.Axe().run(tab).violations_count > 0  # it does look
