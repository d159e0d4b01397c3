"""Pairs in what a model wrote: broken items are dropped one by one, hostile ones harm nothing."""

from __future__ import annotations

import json
import time

import pytest

from generation.scripted import said
from trimtab.generation._draft_reading import MAX_CHARACTERS, read_drafts
from trimtab.generation.request import Draft

ONE = Draft("How warm is it?", "Quite warm, come and see!", "Warm enough, alas.")
TWO = Draft("What is a gnu?", "A splendid antelope!", "Some antelope, I suppose.")


@pytest.mark.parametrize(
    "answer",
    [
        said([ONE, TWO]),
        f"```json\n{said([ONE, TWO])}\n```",
        f"Sure! Here are the pairs:\n\n{said([ONE, TWO])}\n\nI hope that [they] {{help}}.",
        f"<think>Should I write {{ here?</think>{said([ONE, TWO])}",
        json.dumps({"pairs": [ONE._asdict(), TWO._asdict()]}),
        "\n".join(json.dumps(d._asdict()) for d in (ONE, TWO)),
        json.dumps([{"Prompt": d.prompt, "POSITIVE": d.positive, "negative ": d.negative} for d in (ONE, TWO)]),
        json.dumps([{**d._asdict(), "topic": "anything", "number": 10**400} for d in (ONE, TWO)]),
    ],
    ids=["plain", "fence", "words around", "thinking", "object", "lines", "other capitals", "more keys"],
)
def test_pairs_are_found_whatever_stands_around_them(answer: str) -> None:
    assert read_drafts(answer) == ([ONE, TWO], [])


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (said([ONE, TWO])[:-1] + ', {"prompt": "Why is', ["broken JSON"]),
        (said([ONE, TWO])[:-20], ["broken JSON"]),
        ('[{"prompt": "a "quoted" word", "positive": "x", "negative": "y"}, ' + said([ONE])[1:], ["broken JSON"]),
        (f'[{{"prompt": "Why?", "positive": "So."}}, {said([ONE])[1:]}', ["the key negative is missing"]),
        (f'[{{"prompt": "Why?", "positive": 3, "negative": "b"}}, {said([ONE])[1:]}', ["must be text, not a number"]),
        (f'[{{"prompt": "Why?", "positive": "", "negative": "b"}}, {said([ONE])[1:]}', ["positive is empty"]),
        (
            f'[{{"prompt": ["Why?"], "positive": "a", "negative": "b"}}, {said([ONE])[1:]}',
            ["the prompt is a conversation"],
        ),
        (f'[{{"prompt": "Why?", "positive": "a", "negative": "a"}}, {said([ONE])[1:]}', ["are equal"]),
        (said([Draft("Why?", "…", "…!"), ONE]), ["a placeholder"]),
        (said([Draft("Why?", "[insert reply]", "no"), ONE]), ["a placeholder"]),
        (said([Draft("x" * 2001, "a", "b"), ONE]), ["longer than 2,000 characters"]),
        (said([Draft("Why?", "a", "y" * 4001), ONE]), ["longer than"]),
    ],
)
def test_a_broken_item_is_dropped_alone_and_told(answer: str, reasons: list[str]) -> None:
    drafts, faults = read_drafts(answer)
    assert drafts[:1] == [ONE]
    assert len(faults) == len(reasons)
    for fault, reason in zip(faults, reasons, strict=True):
        assert reason in fault


@pytest.mark.parametrize("answer", ["", "I cannot do that.", "[]", "{}", "[1, 2]", "null", '{"pairs": "none"}'])
def test_an_answer_without_pairs_counts_as_one_drop(answer: str) -> None:
    assert read_drafts(answer) == ([], ["no pair in an answer"])


def test_thinking_without_an_end_is_no_answer() -> None:
    assert read_drafts(f"<think>maybe {said([ONE])}") == ([], ["no pair in an answer whose thinking has no end"])


def test_line_ends_of_every_kind_become_one_and_invisible_characters_go() -> None:
    odd = Draft("\ufeffWhy?\r\nTell me.", "So\u2028and\u2029so\u0085on.", "No\u200b.\r")
    drafts, _ = read_drafts(said([odd]))
    assert drafts == [Draft("Why?\nTell me.", "So\nand\nso\non.", "No.")]


@pytest.mark.parametrize(
    "odd", ["a\x00b", "\x1b[31mred", "half \\ud83d", "turned \u202e around", "lost \ufffd"], ids=repr
)
def test_control_characters_halves_and_turned_text_are_dropped(odd: str) -> None:
    answer = said([Draft("Why?", odd, "no"), ONE]).replace("\\\\ud83d", "\\ud83d")
    assert read_drafts(answer) == ([ONE], ["holds control characters"])


def test_markup_emoji_and_other_scripts_stay_as_they_are() -> None:
    kept = Draft("<script>alert(1)</script>?", "👩‍🔬 says: <b>so</b> & so", "なぜですか。")
    assert read_drafts(said([kept])) == ([kept], [])


@pytest.mark.parametrize(
    "answer",
    ["{" * 400_000, '{"a":' * 100_000, '{"prompt": ' * 40_000, "[" * 400_000, said([ONE]) * 20_000],
    ids=["braces", "nested", "broken items", "brackets", "very many"],
)
def test_huge_answers_are_read_within_bounds(answer: str) -> None:
    start = time.monotonic()
    drafts, faults = read_drafts(answer)
    assert len(faults) <= 200
    assert len(drafts) <= MAX_CHARACTERS // 60
    assert time.monotonic() - start < 60  # a few seconds on a slow machine, and not hours
