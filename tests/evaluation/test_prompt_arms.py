"""Arms that ask in another way: where the text stands, what is refused, and that no letter is favored."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from trimtab.analysis.baselines.arm_names import SYSTEM_PROMPT
from trimtab.data import Pair, dataset
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation.baselines.arm_doses import added_tokens, arm_dose, neutral_states
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm, Push, first_easy
from trimtab.evaluation.baselines.prompt_arms import (
    demonstrations,
    few_shot_arm,
    system_arm,
    wordings,
)
from trimtab.evaluation.dose import divergences, neutral_texts
from trimtab.evaluation.grid import Grid
from trimtab.models import PromptError
from trimtab.steering import SteeringSetting
from trimtab.vectors import extract

TEXT = "Be of good cheer."
ASKED = Pair("p", "How was your day?", "Great.", "Bad.")
WITH_ROLES = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}<assistant>"
)
DROPS_ALL = "<user>always the same<assistant>"


def asked_by(llama: Any, template: str) -> Model:
    """The tiny model under another chat template."""
    tokenizer = copy.deepcopy(llama.tokenizer)
    tokenizer.chat_template = template
    return Model(replace(llama, tokenizer=tokenizer))


@pytest.mark.parametrize(
    ("template", "place"),
    [(WITH_ROLES, "system message"), (NO_SYSTEM, "user message"), (DROPS_SYSTEM, "user message")],
)
def test_a_text_stands_in_the_users_message_where_there_is_no_place_for_a_system_message(
    llama: Any, template: str, place: str
) -> None:
    model = asked_by(llama, template)
    arm = system_arm(model, TEXT, "for", ASKED, "text")
    assert (arm.name, arm.place, arm.wording) == (SYSTEM_PROMPT, place, TEXT)
    read = model.backbone.tokenizer.decode(model.prompt_tokens(arm.asked_one(ASKED), "text"))
    assert TEXT.split()[-1] in read
    assert added_tokens(model, arm, [ASKED], "text") > 0


def test_a_template_that_takes_nothing_is_refused(llama: Any) -> None:
    with pytest.raises((PromptError, SettingError), match=r"leaves out|drops"):
        system_arm(asked_by(llama, DROPS_ALL), TEXT, "for", ASKED, "text")


def test_texts_are_made_from_the_description_or_are_the_users() -> None:
    made = wordings("Answers in good spirits", [], [], "cheerful")
    assert all("Answers in good spirits." in text for texts in made.values() for text in texts)
    assert len(made["for"]) == len(made["against"]) > 1
    mixed = wordings("Answers in good spirits.", [TEXT], [], "cheerful")
    assert mixed["for"] == [TEXT]
    assert mixed["against"] == made["against"]
    assert wordings("", ["a"], ["b"], "mine") == {"for": ["a"], "against": ["b"]}
    with pytest.raises(SettingError, match=r"mine has no description .* as asked_against "):
        wordings("", ["a"], [], "mine")


@pytest.mark.parametrize("shots", [2, 4, 8])
def test_demonstrations_lean_to_no_letter(shots: int) -> None:
    shown = demonstrations(dataset("corrigible")[:20], shots, "choice", 0)
    assert set(Counter(pair.label for pair in shown).values()) == {shots // 2}
    assert len({pair.id for pair in shown}) == shots
    turns = few_shot_arm(shown, "against", "choice").asked_one(ASKED).prompt
    assert not isinstance(turns, str)
    assert len(turns) == 2 * shots + 1
    assert turns[-1]["content"] == ASKED.prompt


def test_demonstrations_are_those_of_the_seed_and_no_more_than_there_are() -> None:
    pairs = dataset("cheerful")[:6]
    assert demonstrations(pairs, 3, "text", 1) == demonstrations(pairs, 3, "text", 1)
    assert len(demonstrations(pairs, 6, "text", 1)) == 6
    with pytest.raises(SettingError, match="has 6 pairs; ask for 6 at most"):
        demonstrations(pairs, 7, "text", 1)


def test_the_dose_of_a_push_is_that_of_the_dose_table_and_the_plain_model_has_none(llama: Any) -> None:
    model = Model(llama)
    vector = extract(model, dataset("cheerful")[:4], progress=False)
    push = Push(vector, Grid(((1,),), (0.3,), SteeringSetting("relative")))
    neutral = neutral_states(model)
    (expected,) = divergences(model, neutral_texts(model), [push.intervention(model)])
    assert arm_dose(model, Arm("mean", "vector", "for", push=push), neutral) == pytest.approx(expected, rel=1e-4)
    assert arm_dose(model, THE_MODEL, neutral) == pytest.approx(0.0, abs=1e-9)
    prompt = system_arm(model, TEXT, "for", ASKED, "text")
    alone = arm_dose(model, prompt, neutral)
    assert alone > 0.01
    both = arm_dose(model, replace(prompt, push=push), neutral)
    assert both not in (pytest.approx(alone, rel=1e-3), pytest.approx(expected, rel=1e-3))


def test_easy_questions_come_with_their_counterparts() -> None:
    answers = Counter(frozenset((pair.positive, pair.negative)) for pair in first_easy(10))
    assert set(answers.values()) == {2}
