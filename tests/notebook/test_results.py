"""What results say, show and refuse."""

from __future__ import annotations

import html
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import trimtab as tt
from trimtab.data import Behavior
from trimtab.errors import RunError, SettingError
from trimtab.notebook.figure import ChartFigure

from .conftest import SETTING, TUNED, Parts


def test_a_tuned_setting_steers_and_is_passed_on(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tuned: tt.Tuning
) -> None:
    settings = {"toward": tuned.toward, "away": tuned.away}
    there = {way: setting for way, setting in settings.items() if setting is not None}
    assert there
    assert set(tuned.why_not) == set(settings) - set(there)
    table = tuned.settings.set_index("direction")
    for way, setting in there.items():
        row = table.loc[1 if way == "toward" else -1]
        assert (setting.layers, setting.strength) == ((int(row["layers"]),), row["strength"])
        assert setting.change == row["change"]
        assert setting.held_out
        with model.steer(vectors, **setting.options):
            steered = model.chat("Hello", max_new_tokens=4)
        assert isinstance(steered, str)
        checked = tt.robustness(
            model, vectors, parts[2], train=parts[0], translations=False, prompts=4, **setting.options
        )
        assert set(checked.variants["layers"].astype(str)) == {str(row["layers"])}


def test_the_best_cell_of_a_sweep_is_passed_on_with_everything_it_was_pushed_with(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts
) -> None:
    swept = tt.sweep(
        model,
        vectors,
        parts[1],
        test=parts[2],
        layers=["1+2"],
        strengths=[-0.2, 0.2],
        scale="relative",
        first_token=True,
    )
    best = swept.best()
    assert best.options == {
        "layer": (1, 2), "strength": 0.2, "scale": "relative", "positions": "all", "first_token": True,
    }  # fmt: skip
    with model.steer(vectors, **best.options):
        assert isinstance(model.chat("Hello", max_new_tokens=4), str)


def test_functions_with_the_name_of_a_package_are_called_through_it(vectors: tt.SteeringVector) -> None:
    assert isinstance(sys.modules["trimtab.steering"], ModuleType)
    push = tt.steering(vectors, 1, 0.3, scale="relative")
    assert isinstance(push, tt.Intervention)
    assert (push.strength, push.scale, list(push.directions)) == (0.3, "relative", [1])


def test_nothing_is_printed_where_nobody_watches(
    model: tt.Model, parts: Parts, capfd: pytest.CaptureFixture[str]
) -> None:
    vectors = tt.extract(model, parts[0])
    tt.sweep(model, vectors, parts[1], layers=[1], strengths=[0.2])
    tt.diagnose(model, parts[0])
    tt.diagnose(model, parts[0], progress=False)
    assert capfd.readouterr() == ("", "")


def test_progress_is_told_to_who_asks(model: tt.Model, parts: Parts) -> None:
    told: list[tuple[str, int, int]] = []
    tt.diagnose(model, parts[0], progress=lambda what, done, total: told.append((what, done, total)))
    stages = list(dict.fromkeys(what for what, _, _ in told))
    assert "extract permissive in tiny-llama" in stages
    for stage in stages:
        done, total = [(done, total) for what, done, total in told if what == stage][-1]
        assert done == total, f"{stage} ends"


def test_the_model_stays_loaded_under_its_name(model: tt.Model, tuned: tt.Tuning) -> None:
    assert (model.name, tuned.model) == ("tiny-llama", "tiny-llama")
    assert isinstance(model.chat("Hello", max_new_tokens=2), str)


def test_a_run_that_is_kept_is_resumed_and_refuses_other_parts(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tuned: tt.Tuning, tmp_path: Path
) -> None:
    train, select, test = parts
    kept = tmp_path / "kept"
    tt.tune(model, vectors, select, test=test, train=train, **TUNED, out=kept)
    before = {file: file.stat().st_mtime_ns for file in kept.rglob("*.parquet")}
    again = tt.tune(model, vectors, select, test=test, train=train, **TUNED, out=kept)
    assert {file: file.stat().st_mtime_ns for file in kept.rglob("*.parquet")} == before
    pd.testing.assert_frame_equal(again.settings, tuned.settings)
    with pytest.raises(RunError, match="kept"):
        tt.tune(model, vectors, test, test=select, train=train, **TUNED, out=kept)


def test_parts_that_share_prompts_are_refused(model: tt.Model, vectors: tt.SteeringVector, parts: Parts) -> None:
    train, select, test = parts
    both = replace(test, pairs=(*test.pairs, select.pairs[0]))
    with pytest.raises(SettingError, match="of test has a prompt that is in select too; prompts that report must"):
        tt.tune(model, vectors, select, test=both, train=train, **{**TUNED, "judges": [{"pattern": "e"}]})
    with pytest.raises(SettingError, match="of test has a prompt that is in train too"):
        tt.robustness(model, vectors, train, train=train, **SETTING)


def test_what_cannot_be_measured_is_refused_in_words(model: tt.Model, vectors: tt.SteeringVector, parts: Parts) -> None:
    train, select, test = parts
    with pytest.raises(SettingError, match="train="):
        tt.side_effects(model, vectors, test, **SETTING)
    with pytest.raises(SettingError, match="strength 0 steers nothing"):
        tt.robustness(model, vectors, test, train=train, **{**SETTING, "strength": 0})
    with pytest.raises(SettingError, match="layer 9"):
        tt.robustness(model, vectors, test, train=train, **{**SETTING, "layer": 9})
    with pytest.raises(SettingError, match="no judge is called 'clasifier'; did you mean 'classifier'"):
        tt.tune(model, vectors, select, judges=["clasifier"])


def test_one_line_says_what_each_thing_is(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tuned: tt.Tuning
) -> None:
    things = {
        "Model('tiny-llama', ": model, "Behavior('permissive', 8 open pairs, the train part)": parts[0],
        "Pair('permissive-": parts[0][0], "SteeringVector('permissive', mean, 4 layers × 48": vectors,
        "Tuning('permissive', in tiny-llama, 4 settings, 21 replies)": tuned,
    }  # fmt: skip
    for beginning, thing in things.items():
        assert repr(thing).startswith(beginning)
        assert len(repr(thing).splitlines()) <= 2
        table = thing._repr_html_()
        assert type(thing).__name__ in table
        assert "background:#" not in table


def test_notebooks_show_names_as_text() -> None:
    made = Behavior.from_pairs([("<img src=x onerror=alert(1)>", "<b>yes</b>", "no & no")], name="<script>x</script>")
    for thing in (made, made[0]):
        shown = thing._repr_html_()
        assert not {"<script", "<img", "<b>"} & {shown[i : i + n] for n in (3, 4, 7) for i in range(len(shown))}
    assert html.escape("no & no") in made[0]._repr_html_()


def test_reports_of_several_results_name_each(model: tt.Model, parts: Parts, tuned: tt.Tuning, tmp_path: Path) -> None:
    found = tt.diagnose(model, parts[0])
    written = tt.report([tuned, found, found, tuned.sweep], tmp_path / "all" / "page.html")
    page = written.path.read_text(encoding="utf-8")
    assert "tuning + diagnosis + diagnosis-2 + sweep" in page
    assert repr(written).startswith(f"Written({written.path}, {len(written.findings)} finding")
    with pytest.raises(SettingError, match="a Behavior has no report"):
        tt.report(parts[0], tmp_path / "page.html")  # type: ignore[arg-type]
    with pytest.raises(RunError, match=r"ends in \.html"):
        tt.report(tuned, tmp_path / "page.pdf")


def test_without_held_out_prompts_tuning_recommends_by_those_that_chose(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts
) -> None:
    whole = replace(parts[1], part="all")  # what nobody has split
    tuned = tt.tune(model, vectors, whole, train=parts[0], **TUNED)
    there = [setting for setting in (tuned.toward, tuned.away) if setting is not None]
    assert all(not setting.held_out for setting in there)
    assert set(tuned.replies["split"]) == {"select"}


def test_contrasts_that_are_no_pairs_of_completions_are_diagnosed(model: tt.Model) -> None:
    questions = ["How was your day?", "What should I cook?", "Is it late?", "Where to?", "Why?", "Who is it?"]
    personas = tt.PromptContrast.from_system_prompts(
        [("You are full of joy.", "You are full of despair."), ("Answer with joy.", "Answer with despair, always.")],
        questions,
        name="joyful",
    )
    found = tt.diagnose(model, personas)
    assert (found.behavior, set(found.quality["pairs"])) == ("joyful", {12})
    assert found.surface.empty
    said = found.advice.set_index("code")
    assert "2 couples of texts around what is asked" in said.loc["shared_prompts", "text"]
    assert found.flags.empty  # the same question under two system prompts is no duplicate
    assert "12 pairs" in repr(found)
    one = tt.diagnose(model, tt.PromptContrast(personas.name, personas.pairs[:6])).advice.set_index("code")
    assert "the same two texts around what is asked" in one.loc["shared_prompts", "text"]

    replied = personas.with_replies([(f"Oh joy number {n}, and more of it.", f"No {n}.") for n in range(12)])
    told = tt.diagnose(model, replied).advice.set_index("code")["text"]
    assert "in 100% of the pairs the positive completion is the longer one" in told["length_confound"].lower()

    lists = tt.SetContrast.from_texts(
        [f"{text} please?" for text in questions], [f"Give me {n} of them." for n in range(5)], name="polite"
    )
    found = tt.diagnose(model, lists)
    assert set(found.quality["pairs"]) == {11}
    assert found.surface.set_index("feature").loc["last word", "auroc"] == 1
    assert "needs_pairs" in set(found.advice["code"])
    assert "11 texts" in repr(found)
    assert "note: polite: Not known of two lists" in "\n".join(found.findings)
    tokens = tt.diagnose(model, lists, token_position="mean_prompt", seed=1)
    assert not tokens.quality.equals(found.quality)
    with pytest.raises(SettingError, match="no token_position 'answer'"):
        tt.diagnose(model, lists, token_position="answer")


def test_a_list_read_token_by_token_is_diagnosed_by_its_texts(model: tt.Model) -> None:
    raw = tt.SetContrast.from_texts(
        ["It was a lovely day", "Bliss, all over the place", "So kind", "Joy for all of us", "What a good thing"],
        ["It rained again", "Grey", "Nothing at all went well", "Rust everywhere", "All is lost"],
        raw=True,
    )
    found = tt.diagnose(model, raw, token_position="each_token")
    vector = tt.extract(model, raw, token_position="each_token")
    assert set(found.quality["pairs"]) == {10}
    magnitude = found.heuristics["relative_magnitude"].to_numpy()
    assert magnitude == pytest.approx((vector.norm / vector.require_residual_norm()).numpy(), rel=1e-4)


def test_baselines_compare_arms_on_the_test_part_and_say_who_wins(model: tt.Model, parts: Parts) -> None:
    found = tt.baselines(
        model, *parts, layers=[1, 2], strengths=[-0.2, 0.2], methods=["mean"], shots=2, easy=0,
        asked_for=["Be so."], asked_against=["Be otherwise."], progress=False,
    )  # fmt: skip
    arms = found.arms
    assert {"system prompt", "few-shot prompt", "mean", "system prompt + vector"} <= set(arms["arm"])
    assert (arms["n"] == len(parts[2])).all()
    assert set(arms.loc[arms["arm"] == "system prompt", "wording"]) == {"Be so.", "Be otherwise."}
    assert found.findings[0].split(": ")[1].startswith(("no winner", "nothing", "the ", "fine"))
    figure = found.plot()
    assert isinstance(figure, ChartFigure)
    assert figure.data["prompts"].iloc[0] == len(parts[2])
    assert not found.differences.empty
