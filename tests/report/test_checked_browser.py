"""What the checks found, in a real browser, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from browsers import needs_browser
from report.checks import hostile
from report.test_browser import CONTRAST, opened
from trimtab.report import RunTables
from trimtab.report._page import render
from trimtab.report.results import analysed
from trimtab.report.write import assembled

pytestmark = needs_browser

EVIL = "</script><script>document.title='taken over'</script><img src=x onerror=\"alert(1)\">'];alert(1);//\\\u2028"

CUT = """
() => [...document.querySelectorAll(".chart")].flatMap((place) => {
  const room = place.getBoundingClientRect();
  return [...place.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width > 0 && (box.left < room.left - 2 || box.right > room.right + 2);
  }).map((text) => text.textContent);
})
"""
OVERLAPPING = """
() => [...document.querySelectorAll(".chart .role-axis-label")].flatMap((axis) => {
  const shown = [...axis.querySelectorAll("text")].filter((text) => getComputedStyle(text).opacity !== "0");
  const turned = shown.some((text) => text.getAttribute("transform")?.includes("rotate(-40"));
  const boxes = turned ? [] : shown.map((text) => [text.getBoundingClientRect(), text.textContent]);
  const shared = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
  return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([b]) =>
    shared(a, b, "left", "right") > 1 && shared(a, b, "top", "bottom") > 3
  ).map(([, other]) => `${one} and ${other}`));
})
"""


def page_of(run: RunTables, folder: Path) -> Path:
    """The report's page, without the files beside it."""
    page = folder / "report.html"
    page.write_text(render(assembled([run], analysed([run]))), encoding="utf-8")
    return page


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1300, "dark")])
def test_the_checks_are_readable_at_every_width_and_in_the_dark(browser, checked_report, width, scheme):
    with opened(browser, checked_report[0], width, scheme) as (tab, said, asked):
        for fold in tab.locator("summary").all():
            fold.click()
        assert said == []
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        assert tab.locator(".chart > svg").count() == tab.locator(".chart").count() > 20
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        too_wide = "[...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg').clientWidth > "
        assert tab.evaluate(too_wide + "c.clientWidth + 1).length") == 0
        assert tab.evaluate(CUT) == []
        assert tab.evaluate(OVERLAPPING) == []
        assert tab.evaluate(CONTRAST) >= 4.5


def test_hostile_names_cannot_take_the_page_over(browser, checked_run_of_two, tmp_path):
    with opened(browser, page_of(hostile(checked_run_of_two, EVIL), tmp_path), 390) as (tab, said, _):
        assert tab.title().endswith("– trimtab report")
        assert tab.locator(".chart > svg").count() == tab.locator(".chart").count() > 10
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert said == []
