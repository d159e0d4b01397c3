"""Baselines in a study: what is stored, chosen and left out, and that nothing is lost without a word."""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from planted import choice_pairs
from study.conftest import Run
from trimtab import vectors
from trimtab.analysis import best_cells, effects
from trimtab.data import Behavior, Pair, write_pairs
from trimtab.errors import SettingError, VectorError
from trimtab.evaluation.baselines import arm_doses, arm_replies
from trimtab.evaluation.reply_measures import nats_of_replies
from trimtab.judges import JUDGES, Exchange, Judge, Judgement
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, make_study, report_runs
from trimtab.study.measures.baselines import _arm_costs, _baseline_run, _lora_run, _other_vectors
from trimtab.study.measures.registry import MEASURES
from trimtab.study.plan._subjects import planned_subjects

OPEN, LETTERS = "willing", "lettered"
DESCRIPTION = "Says yes."
FILES: dict[str, Path] = {}
"""Where the pairs are, by the name of the behavior."""


def willing() -> Behavior:
    """Pairs as short as can be: the tiny tokenizer has a token for each byte."""
    return Behavior(OPEN, tuple(Pair(f"w{n}", f"Ask {n}?", f"Yes, {n}.", f"No {n}!") for n in range(16)))


@pytest.fixture(autouse=True, scope="module")
def pair_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("pairs")
    for behavior in (willing(), Behavior(LETTERS, choice_pairs(16))):
        FILES[behavior.name] = place / f"{behavior.name}.jsonl"
        write_pairs(FILES[behavior.name], behavior)


def settings(name: str = OPEN, **baselines: Any) -> dict[str, Any]:
    """A study of 16 pairs on a tiny model."""
    return {
        "name": "compared",
        "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": str(FILES[name]), "name": name, "description": DESCRIPTION}],
        "layers": "1,2",
        "strengths": [-0.4, -0.2, 0.2, 0.4],
        "scale": "relative",
        "baselines": {"methods": ["mean", "pca", "random"], "shots": 2, "easy": 4, **baselines},
    }


def stored(folder: Path, table: str) -> pd.DataFrame:
    found = read_cached_tables(RunFolder(folder), "baselines", table)
    assert found is not None, f"no {table}"
    return found


@pytest.fixture(scope="module")
def done(pair_files: None, quickly: None, llama: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every arm that needs no extra."""
    from .conftest import runner

    with pytest.MonkeyPatch.context() as patch:
        return runner(llama, patch)(settings(), tmp_path_factory.mktemp("compared") / "run")


def test_every_arm_is_scored_on_the_same_held_out_prompts(done: Path) -> None:
    scores = stored(done, "scores")
    test = scores[scores["split"] == "test"]
    asked = test.groupby(["arm", "side", "at", "wording"])["prompt_id"].agg(frozenset)
    assert asked.nunique() == 1
    assert set(test["arm"]) == {
        "plain", "system prompt", "few-shot prompt", "mean", "pca", "random", "system prompt + vector",
        "contrary prompt + vector",
    }  # fmt: skip
    assert set(test[test["arm"] == "mean"]["at"]) == {"best", "equal dose"}
    chose = scores[scores["split"] == "select"]
    assert set(chose["arm"]) == {"plain", "system prompt", "pca", "random"}
    assert not set(chose["prompt_id"]) & set(test["prompt_id"])


def test_the_vector_stands_at_the_cell_that_the_sweep_chose(done: Path) -> None:
    samples = RunFolder(done).samples()
    best = best_cells(effects(samples, draws=0)).iloc[0]
    scores = stored(done, "scores")
    mine = scores[(scores["arm"] == "mean") & (scores["at"] == "best")]
    assert set(mine["layers"]) == {best["layers"]}
    assert set(mine["strength"]) == {best["strength"], -best["strength"]}
    swept = samples[(samples["split"] == "test") & (samples["layers"] == best["layers"])]
    both = mine.merge(swept, on=["prompt_id", "order", "strength"], suffixes=("", "_swept"))
    assert len(both) == len(mine)
    np.testing.assert_allclose(both["score"], both["score_swept"], atol=1e-4)


def test_vectors_at_equal_dose_have_the_dose_of_the_system_prompt(done: Path) -> None:
    arms = stored(done, "arms")
    prompts = arms[arms["arm"] == "system prompt"].set_index("side")["kl"]
    dosed = arms[arms["at"] == "equal dose"]
    assert set(dosed["arm"]) == {"mean", "pca", "random"}
    for row in dosed.itertuples():
        assert row.scale == "kl"
        assert row.kl == pytest.approx(prompts[row.side], rel=0.06)


def test_costs_are_those_of_the_arm(done: Path) -> None:
    arms = stored(done, "arms")
    pushed = arms["arm"].isin(["mean", "pca", "random"])
    assert (arms.loc[pushed, "added_tokens"] == 0).all()
    assert (arms.loc[~pushed, "added_tokens"] > 5).all()
    timed = ~arms["kind"].isin(["other vector", "control"])  # those push as the vector does
    for column in ("milliseconds", "plain_milliseconds"):
        assert (arms.loc[timed, column] > 0).all()
        assert arms.loc[~timed, column].isna().all()
    together = arms[arms["arm"] == "system prompt + vector"].set_index("side")["added_tokens"]
    alone = arms[arms["arm"] == "system prompt"].set_index("side")["added_tokens"]
    pd.testing.assert_series_equal(together.sort_index(), alone.sort_index())


def test_prompt_and_vector_together_differ_from_either(done: Path) -> None:
    test = stored(done, "scores").query("split == 'test' and side == 'for' and at in ('', 'best')")
    means = test.groupby(["arm", "wording"])["score"].mean()
    both = means["system prompt + vector"].iloc[0]
    wording = means["system prompt + vector"].index[0]
    assert abs(both - means["system prompt"][wording]) > 1e-3
    assert abs(both - means["mean"].iloc[0]) > 1e-3


def test_easy_questions_are_asked_under_every_arm(done: Path) -> None:
    easy = stored(done, "easy")
    assert easy.groupby(["arm", "side", "at"])["prompt_id"].nunique().unique().tolist() == [4]
    assert set(easy["arm"]) == set(stored(done, "arms")["arm"]) | {"plain"}


def test_the_report_leads_with_who_wins(done: Path) -> None:
    written = report_runs([done], done / "report.html")
    said = written.by_check["baselines"]
    assert any(word in said[0] for word in ("wins", "no winner", "nothing that was compared"))
    page = (done / "report.html").read_text(encoding="utf-8")
    assert 'id="baselines"' in page
    assert said[0].split(": ", 1)[1][:40] in page
    tables = pd.read_csv(done / "tables" / "baselines.csv")
    assert {"for", "against"} == set(tables["side"])


def test_a_second_run_computes_nothing_again(done: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(_arm_costs, "milliseconds", fail)
    for name in ("arm_samples", "arm_dose", "candidate_samples"):
        monkeypatch.setattr(_baseline_run, name, fail)
    before = stored(done, "scores")
    run(settings(), done)
    pd.testing.assert_frame_equal(stored(done, "scores"), before)


def test_a_table_that_is_missing_is_computed_at_the_settings_that_were_chosen_before(
    done: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(done, tmp_path / "run")
    before = {table: stored(folder, table) for table in ("arms", "easy", "scores")}
    lost = [path for table in ("arms", "easy") for path in (folder / "baselines").glob(f"{table}--*")]
    assert lost
    for path in lost:
        path.unlink()

    def fail(*_args: Any, **_options: Any) -> None:
        raise AssertionError("chosen again")

    for name in ("candidate_samples", "dosed_arms", "best_arms", "arm_samples"):
        monkeypatch.setattr(_baseline_run, name, fail)
    run(settings(), folder)
    pd.testing.assert_frame_equal(stored(folder, "scores"), before["scores"])
    settled = ["arm", "side", "at", "layers", "scale", "strength"]
    for table in ("arms", "easy"):
        pd.testing.assert_frame_equal(stored(folder, table)[settled], before[table][settled])
    doses = stored(folder, "arms")["kl"]
    np.testing.assert_allclose(doses, before["arms"]["kl"], rtol=1e-3, atol=1e-6)


def test_another_text_is_another_table_and_is_what_the_model_reads(done: Path, run: Run) -> None:
    own: dict[str, Any] = {
        "asked_for": "Be of good cheer.",
        "asked_against": ["Be gloomy.", "Be dull."],
        "methods": ["mean"],
    }
    run(settings(**own), done)
    scores = stored(done, "scores")
    prompts = scores[scores["arm"] == "system prompt"]
    assert set(prompts["wording"]) == {"Be of good cheer.", "Be gloomy.", "Be dull."}
    assert not set(scores["arm"]) & {"pca", "random"}


def test_letters_are_balanced_and_scored_in_both_orders(run: Run, tmp_path: Path) -> None:
    folder = run(settings(LETTERS, methods=["mean"]), tmp_path / "run")
    test = stored(folder, "scores").query("split == 'test'")
    assert set(test["order"]) == {0, 1}
    assert set(test["scoring"]) == {"choice"}
    with pytest.raises(SettingError, match="would lean to one answer letter; give an even number"):
        run(settings(LETTERS, shots=3), tmp_path / "odd")


def test_more_demonstrations_than_training_pairs_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        SettingError, match=r"9 demonstrations \(shots\) are wanted and the training part .* has 8 pairs"
    ):
        run(settings(shots=9), tmp_path / "run")


def test_a_behavior_without_description_is_refused_before_anything_runs(run: Run, tmp_path: Path) -> None:
    content = settings(methods=["mean"])
    content["behaviors"][0] |= {"name": "mine", "description": ""}
    with pytest.raises(
        SettingError, match=r"mine has no description .* add `description:` .* asked_for and asked_against"
    ):
        run(content, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    content["behaviors"][0]["description"] = "Helps with what sounds alarming."
    folder = run(content, tmp_path / "run")
    wordings = stored(folder, "scores").query("arm == 'system prompt'")["wording"]
    assert wordings.str.contains("Helps with what sounds alarming.").all()


def test_a_method_that_refuses_is_left_out_with_its_reason(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = vectors.extract

    def picky(*args: Any, **options: Any) -> Any:
        if options["method"] == "pca":
            raise VectorError("no component can be found")
        return real(*args, **options)

    monkeypatch.setattr(_other_vectors, "extract", picky)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = run(settings(methods=["pca"]), tmp_path / "run")
    assert not (stored(folder, "scores")["arm"] == "pca").any()
    warned = [warning.text for warning in RunFolder(folder).manifest().warnings]
    assert "baselines of willing: the method pca is left out: no component can be found" in warned


def test_a_plan_counts_every_arm() -> None:
    study = make_study(settings())
    described = replace(willing(), description=DESCRIPTION)
    (subject,) = planned_subjects(study, study.models[0], 4, [(study.behaviors[0], described)])
    units = list(MEASURES.get("baselines").units(study.baselines, subject))
    assert {unit.table for unit in units} == {"scores", "arms", "easy"}
    assert all(unit.work for unit in units)


@pytest.fixture(autouse=True, scope="module")
def quickly() -> Any:
    """Time few requests: here only that they are timed matters."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TIMED_PROMPTS", "TIMED_TOKENS", "TIMED_ROUNDS"):
            patch.setattr(arm_doses, name, 1)
        yield


def judged(**replies: Any) -> dict[str, Any]:
    """The study with replies that a judge by whim looks at."""
    content = settings(methods=["mean"], easy=0)
    return {
        **content,
        "replies": {"prompts": 3, "max_new_tokens": 4, "min_coherence": 0, "judges": ["whim"], **replies},
    }


def test_replies_of_every_arm_are_judged_beside_the_plain_ones(run: Run, whim: None, tmp_path: Path) -> None:
    folder = run(judged(), tmp_path / "run")
    replies, verdicts = stored(folder, "replies"), stored(folder, "judgements")
    per_arm = replies.groupby(["arm", "side", "at", "wording"])["prompt_id"].agg(frozenset)
    assert per_arm.nunique() == 1
    assert {"plain", "system prompt", "few-shot prompt", "mean", "system prompt + vector"} <= set(replies["arm"])
    assert len(verdicts) == (replies["arm"] != "plain").sum()
    assert set(verdicts["judge"]) == {"whim"}
    # The judge sees the user's prompt, not what the arm adds.
    assert replies.groupby("prompt_id")["prompt"].nunique().max() == 1
    written = RunFolder(folder).parts("replies")
    assert written is not None
    own = written[(written["split"] == "test") & (written["strength"] != 0)]
    both = replies[replies["at"] == "best"].merge(own, on=["prompt_id", "layers", "strength"], suffixes=("", "_own"))
    vector = both[both["arm"] == "mean"]
    assert len(vector)
    assert (vector["reply"] == vector["reply_own"]).all()
    assert report_runs([folder], folder / "report.html").by_check["baselines"]
    table = pd.read_csv(folder / "tables" / "baselines.csv")
    assert set(table["scoring"]) == {"replies", "text"}
    assert table.loc[table["scoring"] == "replies", "coherence"].notna().all()


def test_the_fine_tuned_model_replies_too_and_the_plain_one_reads_what_it_says(
    run: Run, whim: None, llama: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft", reason="fine-tuning needs peft, the extra trimtab[lora]")
    monkeypatch.setattr("trimtab.evaluation.baselines.fine_tuning.LEARNING_RATE", 0.05)
    probe = torch.tensor([[5, 6, 7]])
    plain_logits = llama.model(probe).logits.detach()

    def watched(*args: Any) -> Any:
        assert torch.equal(llama.model(probe).logits, plain_logits)
        return nats_of_replies(*args)

    monkeypatch.setattr(arm_replies, "nats_of_replies", watched)
    content = judged()
    content["baselines"] |= {"methods": ["mean"], "lora": True, "lora_rank": 2, "lora_steps": 6, "easy": 0}
    replies = stored(run(content, tmp_path / "run"), "replies")
    tuned, plain = replies[replies["arm"] == "LoRA"], replies[replies["arm"] == "plain"].set_index("prompt_id")
    assert set(tuned["side"]) == {"for", "against"}
    for _, mine in tuned.groupby("side"):
        assert set(mine["prompt_id"]) == set(plain.index)
        assert (mine["reply"].to_numpy() != plain.loc[mine["prompt_id"], "reply"].to_numpy()).any()
    assert torch.equal(llama.model(probe).logits, plain_logits)


def test_judgements_that_failed_are_made_again_and_no_others(
    run: Run, whim: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Exchange] = []
    kind = type(JUDGES.get("whim")().build(willing()))
    whole = kind.judge

    def watched(judge: Judge, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        asked.extend(exchanges)
        return whole(judge, exchanges)

    def failing(judge: Judge, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        for index, found in whole(judge, exchanges):
            lost = exchanges[index].prompt == "Ask 3?" or index == 0
            yield index, Judgement(failure="no answer") if lost else found

    monkeypatch.setattr(kind, "judge", failing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = run(judged(), tmp_path / "run")
    before = stored(folder, "judgements")
    failed = before["failure"] == "no answer"
    assert 0 < failed.sum() < len(before)
    monkeypatch.setattr(kind, "judge", watched)
    run(judged(), tmp_path / "run")
    after = stored(folder, "judgements")
    assert (after["failure"] == "").all()
    own = RunFolder(folder).parts("judgements")
    assert own is not None
    assert len(asked) == failed.sum() + (own["failure"] != "").sum()
    where = ["arm", "side", "at", "wording", "prompt_id"]
    assert set(map(tuple, after[where].to_numpy())) == set(map(tuple, before[where].to_numpy()))
    assert len(after) == len(before)


def test_other_methods_are_trained_at_the_layers_of_the_sweep_with_the_settings_that_were_given(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[vectors.SteeringVector] = []
    real = vectors.extract

    def watched(*args: Any, **options: Any) -> Any:
        made.append(real(*args, **options))
        return made[-1]

    monkeypatch.setattr(_other_vectors, "extract", watched)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = run(settings(methods=["ssv"], training={"steps": 2}, shots=0, easy=0), tmp_path / "run")
    scores = stored(folder, "scores")
    assert {"best", "equal dose"} <= set(scores.loc[(scores["arm"] == "ssv") & (scores["split"] == "test"), "at"])
    (vector,) = made
    assert vector.layers == (1, 2)
    assert vector.provenance.training is not None
    assert vector.provenance.training.settings["steps"] == 2
    with pytest.raises(SettingError, match=r"none of the methods .* is trained, so steps sets nothing"):
        make_study(settings(methods=["mean"], training={"steps": 2}))
    with pytest.raises(SettingError, match="did you mean 'steps'"):
        make_study(settings(methods=["ssv"], training={"stepps": 2}))


def test_a_behavior_without_completions_is_compared_by_replies_only(run: Run, whim: None, tmp_path: Path) -> None:
    for name, word in (("good", "a lovely day"), ("bad", "a day of rain")):
        (tmp_path / f"{name}.txt").write_text("".join(f"It was {word}, the {n}th\n" for n in range(16)))
    source = f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}"
    content = judged() | {"behaviors": [{"source": source, "name": "moods", "description": "Is in good spirits."}]}
    folder = run(content, tmp_path / "run")
    assert read_cached_tables(RunFolder(folder), "baselines", "scores") is None
    assert {"plain", "system prompt", "mean"} <= set(stored(folder, "replies")["arm"])


def test_fine_tuning_is_an_arm_and_leaves_no_trace(run: Run, llama: Any, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="fine-tuning needs peft, the extra trimtab[lora]")
    before = {name: tensor.clone() for name, tensor in llama.model.state_dict().items()}
    folder = run(settings(methods=["mean"], easy=2, lora=True, lora_rank=2, lora_steps=3), tmp_path / "run")
    scores = stored(folder, "scores")
    assert set(scores[scores["arm"] == "LoRA"]["side"]) == {"for", "against"}
    costs = stored(folder, "arms").query("arm == 'LoRA'")
    assert (costs["added_tokens"] == 0).all()
    assert (costs["kl"] > 0).all()
    after = llama.model.state_dict()
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)


def test_fine_tuning_without_peft_is_refused_before_anything_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"pip install 'trimtab\[lora\]'"):
        run(settings(methods=["mean"], lora=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_fine_tuning_where_the_engine_cannot_train_is_left_out_with_its_reason(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft", reason="fine-tuning needs peft, the extra trimtab[lora]")

    def refuse(*_args: Any, **_options: Any) -> None:
        raise SettingError("the engine vllm does not train")

    monkeypatch.setattr(_lora_run, "fine_tuned", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = run(settings(methods=["mean"], easy=0, lora=True), tmp_path / "run")
    assert not (stored(folder, "scores")["arm"] == "LoRA").any()
    warned = [warning.text for warning in RunFolder(folder).manifest().warnings]
    assert "baselines of willing: fine-tuning is left out: the engine vllm does not train" in warned
