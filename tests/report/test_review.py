"""The review page in a real browser, opened as a file, without a network."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from browsers import needs_browser
from report.test_browser import CONTRAST
from trimtab.data import BUILT_INS, Pair, read_pairs, write_pairs
from trimtab.generation import pair_key, read_decisions, remove_pairs
from trimtab.report.review import Card, write_review

pytestmark = needs_browser

EVIL = "</script><script>document.title='taken over'</script>"
ALSO = "<img src=x onerror=\"document.title='taken over'\"> & &amp; \u2028 \u202e `${1}`"
PAIRS = [
    *BUILT_INS["cheerful"].load().pairs[:4],
    Pair("evil", EVIL, ALSO, f"{ALSO} <!--", meta={"note": EVIL}),
    Pair("talk", ({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi\nthere"}), "Hey!", "Oh."),
    Pair("wide", "W" * 600, "long " * 300, "é" * 500),
]
FLAGS = {1: ["the positive completion is much longer"], 4: [EVIL, "nearly repeats the prompt '<b>'"]}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "glad.jsonl", PAIRS)
    cards = [Card(pair_key(pair), pair.to_json(), FLAGS.get(place, [])) for place, pair in enumerate(PAIRS)]
    write_review(tmp_path / "glad.review.html", "glad.jsonl", f"is glad {EVIL}", [f"a remark {EVIL}"], cards)
    return tmp_path / "glad.review.html"


@contextmanager
def opened(browser, page: Path, width: int = 1000, scheme: str = "light") -> Iterator[tuple]:
    """The page, and what it said and asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("document.getElementById('pairs').dataset.ready === 'yes'")
    yield tab, said, asked
    assert said == []
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    context.close()


def status(tab) -> str:
    return tab.locator("[role=status]").text_content()


def saved(tab, name: str, folder: Path) -> Path:
    with tab.expect_download() as download:
        tab.locator(f"button[name={name}]").click()
    place = folder / "saved" / download.value.suggested_filename
    place.parent.mkdir(exist_ok=True)
    shutil.copy(download.value.path(), place)
    return place


def test_pairs_are_shown_with_their_flags_and_counts(browser, page):
    with opened(browser, page) as (tab, _, _):
        assert status(tab) == "7 pairs, 2 flagged, 0 struck out"
        shown = tab.locator(".pair").nth(1).inner_text()
        for text in (PAIRS[1].prompt, PAIRS[1].positive, PAIRS[1].negative, *FLAGS[1]):
            assert text in shown
        assert "system: Be kind.\n\nuser: Hi\nthere" in tab.locator(".pair").nth(5).inner_text()


def test_keys_move_and_strike(browser, page):
    with opened(browser, page) as (tab, _, _):
        for key in "jjxjxk":
            tab.keyboard.press(key)
        assert status(tab) == "7 pairs, 2 flagged, 2 struck out"
        assert tab.evaluate("document.activeElement.card.key") == pair_key(PAIRS[1])
        tab.keyboard.press("x")
        assert status(tab) == "7 pairs, 2 flagged, 1 struck out"
        for _ in range(20):
            tab.keyboard.press("j")
        assert tab.evaluate("document.activeElement.card.key") == pair_key(PAIRS[-1])


def test_only_flagged_or_struck_pairs_can_be_shown(browser, page):
    with opened(browser, page) as (tab, _, _):
        tab.locator("[name=show]").select_option("flagged")
        assert tab.locator(".pair:visible").count() == 2
        tab.locator(".pair:visible button").first.click()
        tab.locator("[name=show]").select_option("struck")
        assert tab.locator(".pair:visible").count() == 1


def test_saved_decisions_take_the_pairs_out(browser, page, tmp_path):
    with opened(browser, page) as (tab, _, _):
        for place in (0, 4):
            tab.locator(".pair button").nth(place).click()
        made = saved(tab, "decisions", tmp_path)
    assert made.name == "struck.json"
    done = remove_pairs(tmp_path / "glad.jsonl", read_decisions(made))
    assert (done.removed, done.left, done.unknown) == (2, 5, 0)
    assert [pair.id for pair in read_pairs(tmp_path / "glad.jsonl")] == [PAIRS[i].id for i in (1, 2, 3, 5, 6)]


def test_saved_pairs_are_the_file_without_what_is_struck_out(browser, page, tmp_path):
    with opened(browser, page) as (tab, _, _):
        tab.locator(".pair button").nth(2).click()
        made = saved(tab, "pairs", tmp_path)
    assert made.name == "glad.jsonl"
    kept = [pair for place, pair in enumerate(PAIRS) if place != 2]
    assert [pair.to_json() for pair in read_pairs(made)] == [pair.to_json() for pair in kept]


def test_strikes_outlive_the_page_in_the_same_browser(browser, page):
    with opened(browser, page) as (tab, _, _):
        tab.locator(".pair button").nth(3).click()
        tab.reload()
        tab.wait_for_function("document.getElementById('pairs').dataset.ready === 'yes'")
        assert status(tab) == "7 pairs, 2 flagged, 1 struck out"
        assert tab.locator(".pair button").nth(3).get_attribute("aria-pressed") == "true"


def test_hostile_texts_stay_text(browser, page):
    with opened(browser, page) as (tab, _, _):
        assert tab.title() == "glad.jsonl – trimtab review"
        assert tab.locator("#pairs script, #pairs img, #pairs b, main > section script").count() == 0
        evil = tab.locator(".pair").nth(4)
        assert evil.locator("h3").text_content() == EVIL
        assert evil.locator("blockquote").first.text_content() == ALSO
        assert EVIL in tab.locator(".remarks").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_every_width_and_is_readable_in_the_dark(browser, page, width, scheme):
    with opened(browser, page, width, scheme) as (tab, _, _):
        tab.locator(".pair button").first.click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            tab.evaluate(CONTRAST.replace("h1, h2,", "blockquote, h4, label, .bar button, select, kbd, h1, h2,")) >= 4.5
        )


def test_options_of_choice_pairs_carry_their_letters(browser, tmp_path):
    pair = BUILT_INS["corrigible"].load()[0]
    shown = [pair, replace(pair.swapped(), id="turned")]
    page = tmp_path / "c.review.html"
    write_review(page, "c.jsonl", "", [], [Card(pair_key(p), p.to_json(), []) for p in shown])
    with opened(browser, page) as (tab, _, _):
        headings = tab.locator(".pair h4").all_text_contents()
        assert headings == [f"{side} ({letter})" for p in shown for side, letter in sides(p)]


def sides(pair: Pair) -> list[tuple[str, str]]:
    other = {"A": "B", "B": "A"}[pair.label]
    return [("positive", pair.label), ("negative", other)]


def test_the_page_asks_for_nothing_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    head = text[: text.index('id="data"')]
    assert "default-src 'none'" in head
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", head)
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>\u2028") & set(data)
    assert len(json.loads(data)["cards"]) == 7
