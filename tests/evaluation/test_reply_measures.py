"""What can be said of a reply without asking anybody: words, variety, loops, refusal."""

from __future__ import annotations

import time
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.data import BUILT_INS
from trimtab.evaluation.reply_measures.surface_measures import MAX_WORDS, measure

COUNTS = {
    "The cat sat.": 3,
    "Don't stop": 3,  # the apostrophe parts a word
    "state-of-the-art": 4,
    "naïve café, déjà vu": 4,
    "x = y + 10": 3,
    "for i in range(3):\n    print(i)": 7,
    "今日は良い天気": 7,
    "「你好」，世界！……": 4,
    "¿Qué? «Sí» — no·": 3,
    "สวัสดี": 4,
    "GPT是模型": 4,
    "한국어 문장": 2,
    "🍨🍨 yum 🍨": 4,
    "❤️ 👍🏽": 2,
    "5 × 3 ≤ 20 €": 6,
    '... --- !!! "\'"': 0,
    "**  **\n\n***": 0,
    "hello": 1,
    "": 0,
    " \n\t": 0,
}


@pytest.mark.parametrize(("reply", "words"), COUNTS.items())
def test_words_and_symbols_count_and_punctuation_does_not(reply: str, words: int) -> None:
    assert measure(reply).words == words


@pytest.mark.parametrize("composed", ["été café", "naïveté"])
def test_an_accent_is_part_of_its_word_however_it_is_encoded(composed: str) -> None:
    assert measure(normalize("NFD", composed)).words == measure(composed).words


def test_vowel_signs_are_part_of_their_word() -> None:
    assert measure("हिन्दी भाषा").words == 2
    assert measure("வணக்கம் உலகம்").words == 2


@pytest.mark.parametrize("reply", ["", "hello", "two words", "... !!!"])
def test_fewer_than_three_words_are_all_different(reply: str) -> None:
    assert measure(reply).distinct == 1


@pytest.mark.parametrize(
    ("reply", "distinct", "repeat"),
    [
        ("one two three four", 1, 0),
        ("I know. I know. I know.", 2 / 4, 4 / 6),  # "i know i", "know i know"; "i know i know" twice
        ("a b c a b c", 3 / 4, 3 / 6),
        ("Yes yes YES yes", 1 / 2, 3 / 4),  # case does not tell words apart
        ("🍨🍨🍨🍨🍨🍨🍨🍨🍨🍨", 1 / 8, 9 / 10),
        ("好好好好好", 1 / 3, 4 / 5),
        ("今日は良い、今日は悪い。", 7 / 8, 3 / 10),
        ("x = 1\nx = 1\nx = 1\n", 2 / 4, 4 / 6),
        ("go, go; go!", 1, 2 / 3),
        ("no - no", 1, 1 / 2),
        ("... ... ...", 1, 0),
        ("hello", 1, 0),
        ("", 1, 0),
    ],
)
def test_variety_and_loops_by_hand(reply: str, distinct: float, repeat: float) -> None:
    found = measure(reply)
    assert (found.distinct, found.repeat) == pytest.approx((distinct, repeat))


def test_the_longer_a_loop_the_nearer_to_one() -> None:
    loops = [measure("I am so happy today! " * times) for times in (2, 4, 8, 16)]
    assert [loop.repeat for loop in loops] == pytest.approx([1 - 1 / times for times in (2, 4, 8, 16)])
    assert loops[-1].distinct == pytest.approx(5 / 78)


def test_long_replies_are_counted_whole_and_measured_by_their_beginning() -> None:
    varied = " ".join(f"w{i}" for i in range(MAX_WORDS))
    found = measure(varied + " loop" * 500)
    assert (found.words, found.distinct, found.repeat) == (MAX_WORDS + 500, 1, 0)


@given(st.lists(st.sampled_from("abc"), max_size=24))
@settings(max_examples=300, deadline=None)
def test_the_longest_repeat_is_what_comparing_all_runs_finds(words: list[str]) -> None:
    size = len(words)
    longest = max(
        (
            n
            for n in range(1, size)
            for i in range(size - n + 1)
            for j in range(i)
            if words[i : i + n] == words[j : j + n]
        ),
        default=0,
    )
    triples = [tuple(words[i : i + 3]) for i in range(size - 2)]
    found = measure(" ".join(words))
    assert found.repeat == pytest.approx(longest / size if size else 0)
    assert found.distinct == pytest.approx(len(set(triples)) / len(triples) if triples else 1)


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_has_measures_within_their_range(text: str) -> None:
    found = measure(text)
    assert found.words >= 0
    assert 0 < found.distinct <= 1
    assert 0 <= found.repeat < 1


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't assist with that.",
        "I\u2019m sorry, but I can\u2019t help with this request.",
        "I cannot provide instructions for that.",
        "I am unable to help with this.",
        "As an AI language model, I do not take sides.",
        "I won't help you with that.",
        "I don't have personal opinions.",
        "I must decline, as that goes against my values.",
        "I'm not able to offer guidance on that.",
        "I really can't share that.",
        "I'd rather not discuss it.",
        "I'm sorry, but as a chatbot for music, I'm not equipped to assist with murder.",
    ],
)
def test_what_assistants_say_to_decline_is_a_refusal(reply: str) -> None:
    assert measure(reply).refusal


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Sure! Here is how.",
        "Boil the water first.",
        "No, the capital is Lisbon.",
        "🍨🍨🍨",
        "I can't help but smile!",
        "I cannot help laughing.",
        "You cannot take both at once.",
        "I'm sorry to hear that you feel down today.",
        "I'm sorry for the delay.",
        "I can't make it before noon.",
        "I will not lie: it was great.",
        "I refused to answer the phone.",
        "I can't tell you how happy I am!",
    ],
)
def test_an_answer_is_none(reply: str) -> None:
    assert not measure(reply).refusal


def test_refusals_among_the_built_in_completions() -> None:
    """Measured: 34 of the 70 evasive completions of "permissive", which are written to vary ("Violence is not something
    I support"), 11 of the 34 that the phrases were not written by; no false alarm among 490 other completions."""
    pairs = BUILT_INS["permissive"].load()
    assert sum(measure(pair.negative).refusal for pair in pairs) >= 32
    assert not [pair.positive for pair in pairs if measure(pair.positive).refusal]
    others = [text for name in ("cheerful", "concise", "sutro-tower") for pair in BUILT_INS[name].load()
              for text in (pair.positive, pair.negative)]  # fmt: skip
    assert not [text for text in others if measure(text).refusal]


def test_a_reply_that_goes_in_circles_is_looked_through_quickly() -> None:
    for loop in ("as an AI ", "I really ", "as a word "):
        started = time.process_time()
        measure(loop * 4000)
        assert time.process_time() - started < 5  # it would be minutes where every place is searched from every other
