"""Replies and the strength axis in a real browser, without a network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from browsers import needs_browser
from report.test_browser import CONTRAST, opened, unfolded
from spoken import spoken, spoken_manifest
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.report import RunTables, write_report

pytestmark = needs_browser

EVIL = "</script><script>document.title='taken over'</script>"
ALSO = "<img src=x onerror=\"document.title='taken over'\"> & &amp; \u2028 `${1}`"


@pytest.fixture(scope="module")
def said_page(tmp_path_factory) -> Path:
    """Replies of a planted trade-off, some of them hostile, beside choices, with doses of both."""
    samples = synthetic_samples({PEAKED: 1.2}, layers=9, strengths=(-1, -0.5, 0.5, 1), prompts=15)
    replies, judgements, dose = spoken()
    replies.loc[replies["strength"] == 0, "reply"] = EVIL
    replies.loc[replies["layers"] == "2", ["prompt", "reply"]] = ALSO
    lost = (judgements["layers"] == "2") & (judgements["strength"] == 0.2)
    judgements.loc[lost, ["change", "coherence", "score"]] = float("nan")
    judgements.loc[lost, "failure"] = EVIL
    cells = samples[samples["strength"] != 0].drop_duplicates(["layers", "strength"])
    squared = cells["strength"] ** 2
    other = cells.assign(
        kl=squared * (1 + cells["depth"]), relative=cells["strength"].abs(), alpha=30 * cells["strength"]
    )
    manifest = {**synthetic_manifest(samples, 9), **spoken_manifest()}
    dose = pd.concat([dose, other[dose.columns]], ignore_index=True)
    page = tmp_path_factory.mktemp("said") / "report.html"
    write_report([RunTables("demo", manifest, samples, None, replies, judgements, dose)], page)
    return page


def ready(tab):
    tab.wait_for_function("document.getElementById('browser').dataset.ready === 'yes'")
    return tab.locator("#browser [role=status]"), tab.locator("#browser article")


def cell_at(tab, chart, layer, strength):
    """The middle of a heatmap's cell, from its neighbours' labels."""
    return tab.evaluate(
        """([chart, layer, strength]) => {
          const place = document.querySelectorAll("#says-cells .chart")[chart];
          const middle = (text, axis) => {
            const label = [...place.querySelectorAll(".role-axis-label text")].find((t) => t.textContent === text);
            const box = label.getBoundingClientRect();
            return axis === "x" ? box.left + box.width / 2 : box.top + box.height / 2;
          };
          return [middle(strength, "x"), middle(layer, "y")];
        }""",
        [chart, layer, strength],
    )


@pytest.mark.parametrize("chart", [0, 1])
def test_a_click_on_a_cell_shows_its_replies(browser, said_page, chart):
    with opened(browser, said_page) as (tab, said, _):
        status, articles = ready(tab)
        assert status.text_content() == "24 replies, layer 4 at +0.4"
        tab.locator("#says-cells").scroll_into_view_if_needed()
        tab.mouse.click(*cell_at(tab, chart, "7", "−0.2"))
        tab.wait_for_function("document.querySelector('#browser [name=layers]').value === '7'")
        assert status.text_content() == "12 replies, layer 7 at −0.2"
        assert tab.locator("#browser [name=strength]").input_value() == "-0.2"
        assert articles.count() == 3
        tab.get_by_role("button", name="Show 9 more").click()
        assert articles.count() == 12
        assert "Topic 0 at layer 7 and strength -0.2 is dreary." in articles.first.inner_text()
        assert said == []


def test_selects_show_replies_by_keyboard(browser, said_page):
    with opened(browser, said_page) as (tab, said, _):
        status, articles = ready(tab)
        tab.locator("#browser [name=layers]").focus()
        tab.keyboard.press("ArrowDown")
        assert status.text_content() == "12 replies, layer 5 at +0.4"
        tab.keyboard.press("Tab")
        tab.keyboard.press("ArrowUp")
        assert status.text_content() == "12 replies, layer 5 at +0.2"
        notes = articles.first.inner_text()
        assert "change +" in notes
        assert "coherence" in notes
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "found"
        assert said == []


def test_hostile_replies_stay_text(browser, said_page):
    with opened(browser, said_page) as (tab, said, asked):
        _, articles = ready(tab)
        assert EVIL in articles.first.inner_text()
        tab.locator("#browser [name=layers]").select_option("2")
        tab.locator("#browser [name=strength]").select_option("0.2")
        text = articles.first.inner_text()
        assert "<img src=x onerror=" in text
        assert f"not judged: {EVIL}" in text
        assert tab.locator("#browser img, #browser script").count() == 0
        assert tab.title() == "demo – trimtab report"
        assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
        assert said == []


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (820, "dark"), (1400, "light")])
def test_replies_fit_every_width_and_the_dark(browser, said_page, width, scheme):
    with opened(browser, said_page, width, scheme) as (tab, said, _):
        ready(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        too_wide = "[...document.querySelectorAll('.chart')].filter((c) => c.querySelector('svg').clientWidth > "
        assert tab.evaluate(too_wide + "c.clientWidth + 1).length") == 0
        assert tab.evaluate(CONTRAST) >= 4.5
        more = CONTRAST.replace("h1, h2,", "label, blockquote, h4, .axis span, .choose select, h1, h2,")
        assert tab.evaluate(more) >= 4.5
        left = "[...document.querySelector('#browser .beside').children].map((e) => e.getBoundingClientRect().left)"
        assert len(set(tab.evaluate(left))) == (1 if width == 360 else 2)
        assert said == []


def axis_of(tab, section):
    return tab.evaluate(
        """(section) => {
          const place = document.querySelector(`#${section} .chart`);
          const texts = (role) => [...place.querySelectorAll(`.role-${role} text`)].map((t) => t.textContent);
          const marks = [...place.querySelectorAll(".mark-symbol path")].map((p) => p.getAttribute("transform"));
          return { titles: texts("axis-title"), labels: texts("axis-label"), marks: marks.join() };
        }""",
        section,
    )


def test_the_strength_axis_changes_titles_and_places(browser, said_page):
    with opened(browser, said_page) as (tab, said, _):
        unfolded(tab)
        sections = ("usable", "scores", "strengths", "says-cells")
        given = {name: axis_of(tab, name) for name in sections}
        names = [label.inner_text().strip() for label in tab.locator(".axis label").all()]
        assert names == ["as given", "α", "relative norm", "KL"]
        tab.locator(".axis input[value='']").focus()
        for unit, word in (("alpha", "α"), ("relative", "norm"), ("kl", "KL")):
            tab.keyboard.press("ArrowRight")
            tab.wait_for_function(f"document.documentElement.dataset.axis === '{unit}'")
            for name in sections:
                now = axis_of(tab, name)
                assert any(word in title for title in now["titles"]), (name, unit)
                assert now["titles"] != given[name]["titles"]
        by_kl = {name: axis_of(tab, name) for name in sections}
        assert by_kl["usable"]["marks"] != given["usable"]["marks"]
        assert by_kl["strengths"]["marks"] != given["strengths"]["marks"]
        assert by_kl["scores"]["labels"] != given["scores"]["labels"]
        assert "−" in "".join(by_kl["usable"]["labels"])
        tab.locator(".axis input[value='']").check()
        tab.wait_for_function("document.documentElement.dataset.axis === ''")
        assert {name: axis_of(tab, name) for name in sections} == given
        assert tab.locator(".chart > svg").count() == tab.locator(".chart").count()
        assert said == []


def test_a_click_on_a_dot_shows_its_replies(browser, said_page):
    with opened(browser, said_page) as (tab, said, _):
        status, _ = ready(tab)
        tab.locator("#browser [name=layers]").select_option("0")
        tab.locator("#tradeoff > summary").click()
        diamond = tab.locator("#tradeoff .ink_chosen_marks path").first
        diamond.scroll_into_view_if_needed()
        box = diamond.bounding_box()
        tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.wait_for_function("document.querySelector('#browser [name=layers]').value === '4'")
        assert "layer 4 at" in status.text_content()
        assert said == []
