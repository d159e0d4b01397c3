"""A published layer sweep over six models, imported as a user would: our analysis gives the numbers printed with it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from trimtab.analysis import (
    answer_agreement,
    answer_curves,
    best_cells,
    compare_models,
    correlations,
    effects,
    models_frame,
)
from trimtab.cli.main import main
from trimtab.study import RunFolder

STUDY = Path(__file__).parents[3] / "shared" / "data" / "qwen3-study"

pytestmark = pytest.mark.skipif(not STUDY.is_dir(), reason=f"the study's data is not at {STUDY}")

# The study read every answer but (A) as the second one, the few (C), (D) and (F) of its sycophancy questions too.
COLUMNS = "behavior=concept,prompt_id=prompt_idx,label=matching_answer,A=logprob_A,B=logprob_B"
RATES = "behavior=concept,rate_minus=negative_rate,rate_zero=baseline_rate,rate_plus=positive_rate,validity=valid_rate"
MODELS = """
- {name: 4B, id: Qwen/Qwen3-4B, layers: 36, heads: 32, parameters: 4.0B, moe: false, groups: {training: distilled}}
- {name: 8B, id: Qwen/Qwen3-8B, layers: 36, heads: 32, parameters: 8.2B, moe: false, groups: {training: distilled}}
- {name: 14B, id: Qwen/Qwen3-14B, layers: 40, heads: 40, parameters: 14.8B, moe: false, groups: {training: distilled}}
- {name: 32B, id: Qwen/Qwen3-32B, layers: 64, heads: 64, parameters: 32.8B, moe: false, groups: {training: full RL}}
- name: 30B-A3B
  id: Qwen/Qwen3-30B-A3B
  layers: 48
  parameters: 30.5B
  active_parameters: 3.3B
  moe: true
  groups: {training: distilled}
- name: 235B-A22B
  id: Qwen/Qwen3-235B-A22B
  layers: 94
  parameters: 235B
  active_parameters: 22B
  moe: true
  groups: {training: full RL}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("published")
    (folder / "models.yaml").write_text(MODELS, encoding="utf-8")
    arguments = ["import", str(STUDY / "logit_diff.parquet"), "--map", COLUMNS, "--labels", "C=B,D=B,F=B"]
    arguments += ["--models", str(folder / "models.yaml"), "--engine", "transformers", "-o", str(folder / "run")]
    arguments += ["--rates", str(STUDY / "generation_by_layer.csv"), "--rates-map", RATES]
    assert main(arguments) == 0
    return RunFolder(folder / "run")


@pytest.fixture(scope="module")
def cells(run: RunFolder) -> pd.DataFrame:
    return effects(run.samples(), draws=100)


@pytest.fixture(scope="module")
def best(cells: pd.DataFrame) -> pd.DataFrame:
    return best_cells(cells, by="delta")


def test_every_layer_repeats_the_unsteered_scores_and_one_of_each_is_kept(run: RunFolder) -> None:
    samples = run.samples()
    raw = pd.read_parquet(STUDY / "logit_diff.parquet")
    assert (samples["strength"] != 0).sum() == (raw["strength"] != 0).sum()
    assert (samples["strength"] == 0).sum() == len(raw[["model", "concept", "prompt_idx"]].drop_duplicates())
    assert not any("differ" in warning.text for warning in run.manifest().warnings)


def test_best_layers(best):
    found = best.pivot(index="model", columns="behavior", values="layer")
    expected = {
        "4B": (18, 21, 19),
        "8B": (17, 23, 28),
        "14B": (20, 25, 25),
        "32B": (44, 49, 51),
        "30B-A3B": (26, 26, 38),
    }
    columns = ["corrigible", "self_awareness", "sycophancy"]
    assert {model: tuple(found.loc[model, columns]) for model in expected} == expected
    assert tuple(found.loc["235B-A22B", columns[:2]]) == (76, 76)


@pytest.mark.parametrize(
    ("model", "delta", "glass"),
    [
        ("30B-A3B", 9.30, 1.139), ("4B", 9.15, 1.113), ("14B", 7.54, 1.219), ("8B", 6.03, 0.823),
        ("235B-A22B", 5.64, 0.954), ("32B", 2.96, 0.818),
    ],
)  # fmt: skip
def test_mean_effects_at_the_best_layers(best, model, delta, glass):
    mine = compare_models(best).set_index("model").loc[model]
    assert round(mine["mean_delta"], 2) == delta
    assert round(mine["mean_glass"], 3) == glass


# Which parameter counts the study took is not said; with its models' official ones it is −0.83.
@pytest.mark.parametrize(
    ("attribute", "r", "within"),
    [("layers", -0.87, 0.005), ("heads", -0.85, 0.005), ("parameters_per_layer", -0.82, 0.02)],
)
def test_correlations_with_the_architecture_of_the_dense_models(run, best, attribute, r, within):
    table = correlations(
        compare_models(best),
        models_frame([model.model_dump(mode="json", exclude_unset=True) for model in run.manifest().models]),
        least=4,
    )
    row = table[
        (table["measure"] == "mean_delta")
        & (table["attribute"] == attribute)
        & (table["among"] == "architecture: dense")
    ].squeeze()
    assert row["n"] == 4
    assert row["r"] == pytest.approx(r, abs=within)


def test_the_same_prompts_chose_and_measured(best):
    assert not best["held_out"].any()


def test_answers_in_generated_text_stand_beside_the_scores(run, cells, best):
    rates = run.table("rates")
    curves = answer_curves(cells, rates, best)
    raw = pd.read_csv(STUDY / "generation_by_layer.csv")
    assert len(rates) == 3 * len(raw)
    assert len(curves) == len(raw)
    assert len(answer_agreement(curves, best)) == 12
    joined = curves.merge(raw.rename(columns={"concept": "behavior"}), on=["model", "behavior", "layer"])
    assert (joined["generation"] - joined["delta"]).abs().max() < 1e-9
