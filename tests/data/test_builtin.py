import unicodedata
from collections import Counter
from importlib.resources import files

import pytest

from trimtab.data import BUILT_INS, NEUTRAL_PROMPTS, NEUTRAL_TEXTS, TRANSLATIONS, check, dataset
from trimtab.data.hash_order import content_key, prompt_key
from trimtab.errors import DataError

CHOICE = [built_in for built_in in BUILT_INS.values() if built_in.form == "choice"]
OPEN = [built_in for built_in in BUILT_INS.values() if built_in.form == "text"]
TRANSLATED = [(name, translation) for name, translations in TRANSLATIONS.items() for translation in translations]
FILES = sorted(file.name for file in (files("trimtab.data") / "builtin").iterdir())
FUNCTION_WORDS = {
    "en": {"the", "and", "of", "is", "to", "in", "you", "it", "that", "for"},
    "fr": {"le", "la", "les", "de", "du", "des", "et", "un", "une", "en", "que", "tu", "est", "à", "il", "pour"},
    "de": {"der", "die", "das", "und", "ein", "eine", "ist", "es", "du", "zu", "in", "den", "mit", "man", "sie"},
}
every = pytest.mark.parametrize("built_in", BUILT_INS.values(), ids=lambda built_in: built_in.name)
every_translation = pytest.mark.parametrize(("name", "translation"), TRANSLATED, ids=[t.name for _, t in TRANSLATED])


def test_ten_behaviors_come_along():
    assert (len(CHOICE), len(OPEN)) == (6, 4)


@every
def test_form_and_description_are_as_told(built_in):
    behavior = built_in.load()
    assert behavior.is_choice == (built_in.form == "choice")
    assert (behavior.name, behavior.description) == (built_in.name, built_in.description)


@pytest.mark.parametrize("built_in", CHOICE, ids=lambda built_in: built_in.name)
def test_choice_behavior_has_80_pairs_and_as_many_a_as_b(built_in):
    labels = Counter(pair.label for pair in built_in.load())
    assert labels["A"] == labels["B"] >= 40


@pytest.mark.parametrize("built_in", OPEN, ids=lambda built_in: built_in.name)
def test_open_behavior_has_60_pairs(built_in):
    assert len(built_in.load()) >= 60


@every
def test_no_prompt_and_no_pair_comes_twice(built_in):
    behavior = built_in.load()
    assert (
        len({content_key(pair) for pair in behavior}) == len({prompt_key(pair) for pair in behavior}) == len(behavior)
    )


@every
def test_behavior_can_be_split(built_in):
    assert min(map(len, built_in.load().split())) >= 15


@every_translation
def test_translation_is_loaded_by_name_and_has_24_numbered_pairs_of_the_same_form(name, translation):
    behavior = dataset(translation.name)
    assert [pair.id for pair in behavior] == [f"{translation.name}-{number:03}" for number in range(1, 25)]
    assert translation.form == BUILT_INS[name].form == ("choice" if behavior.is_choice else "text")
    assert behavior.description == translation.description


@every_translation
def test_translation_names_another_original_in_each_pair(name, translation):
    originals = {pair.id: pair for pair in BUILT_INS[name].load()}
    named = [pair.meta["of"] for pair in translation.load()]
    assert len(set(named)) == len(named)
    for pair in translation.load():
        original = originals[pair.meta["of"]]
        assert pair.prompt != original.prompt
        assert pair.label == original.label


@every_translation
def test_translation_has_held_out_originals_whatever_the_seed_of_the_split(name, translation):
    named = {pair.meta["of"] for pair in translation.load()}
    behavior = BUILT_INS[name].load()
    for seed in range(100):
        *_, test = behavior.split(seed=seed)
        assert any(pair.id in named for pair in test), seed


@every_translation
def test_translated_originals_are_spread_over_the_file(name, translation):
    ids = [pair.id for pair in BUILT_INS[name].load()]
    places = sorted(ids.index(pair.meta["of"]) for pair in translation.load())
    gaps = [after - before for before, after in zip([-1, *places], [*places, len(ids)], strict=True)]
    assert max(gaps) <= 5


@every_translation
def test_translation_is_written_in_its_language(name, translation):
    language = translation.name.rsplit("-", 1)[1]
    for side in ("prompt", "positive", "negative"):
        said = Counter(word for pair in translation.load() for word in getattr(pair, side).casefold().split())
        counts = {code: sum(said[word] for word in words) for code, words in FUNCTION_WORDS.items()}
        assert counts[language] > 4 * max(count for code, count in counts.items() if code != language)


@every_translation
def test_length_and_first_word_do_not_tell_the_sides_of_a_translation_apart(name, translation):
    behavior = translation.load()
    for side in ("positive", "negative"):
        [(_, most)] = Counter(getattr(pair, side).split()[0] for pair in behavior).most_common(1)
        assert most <= 3
    if name == "concise":
        assert all(len(pair.negative) > 4 * len(pair.positive) for pair in behavior)
        return
    assert all(2 / 3 < len(pair.positive) / len(pair.negative) < 3 / 2 for pair in behavior)
    assert 8 <= sum(len(pair.positive) > len(pair.negative) for pair in behavior) <= 16


@pytest.mark.parametrize("translation", [t for _, t in TRANSLATED if t.form == "choice"], ids=lambda t: t.name)
def test_translated_choices_have_as_many_a_as_b(translation):
    assert Counter(pair.label for pair in translation.load()) == {"A": 12, "B": 12}


def test_a_language_that_does_not_come_along_is_told_with_those_that_do():
    with pytest.raises(DataError, match=r"did you mean cheerful.*\n.*in other languages .*cheerful-fr, cheerful-de"):
        dataset("cheerful-es")


@pytest.mark.parametrize("file", FILES)
def test_checking_a_bundled_file_finds_nothing_but_that_short_answers_are_short(file):
    report = check(files("trimtab.data") / "builtin" / file)
    assert report.ok
    remarks = [remark for remark in report.remarks[1:] if not (file.startswith("concise") and "words" in remark)]
    assert not remarks


@pytest.mark.parametrize("file", FILES)
def test_bundled_texts_are_composed_unicode_without_unusual_spaces(file):
    text = (files("trimtab.data") / "builtin" / file).read_bytes().decode("utf-8")
    assert unicodedata.normalize("NFC", text) == text
    assert {c for c in text if c.isspace() or unicodedata.category(c) in ("Cc", "Cf")} == {" ", "\n"}
    assert text.endswith("}\n")


def test_16_neutral_texts_of_about_the_same_length():
    assert len(set(NEUTRAL_TEXTS)) == len(NEUTRAL_TEXTS) == 16
    for text in NEUTRAL_TEXTS:
        assert 45 <= len(text.split()) <= 60
        assert text.endswith(".")
        assert "  " not in text


def test_neutral_texts_name_nothing_that_a_behavior_is_about():
    avoided = {"ai", "model", "assistant", "sutro", "tower", "francisco", "happy", "sad", "lovely", "dangerous", "safe"}
    avoided |= {"brief", "concise", "agree", "power", "survive"}
    for text in (*NEUTRAL_TEXTS, *NEUTRAL_PROMPTS):
        assert not avoided & {word.strip('.,:?!"').casefold() for word in text.split()}
