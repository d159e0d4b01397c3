"""Studies that push by `transport`: the map is made with the vectors, and comparisons of directions are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from planted import choice_pairs
from study.conftest import Run
from trimtab.data import Behavior, write_pairs
from trimtab.errors import SettingError
from trimtab.study import RunFolder, make_study
from trimtab.study.step_names import extracting
from trimtab.vectors import SteeringVector


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    write_pairs(tmp_path / "pairs.jsonl", Behavior("kind", choice_pairs(16)))
    return {
        "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": str(tmp_path / "pairs.jsonl"), "name": "kind"}],
        "layers": "1,2", "strengths": [0.5, 1], "scale": "transport",
    }  # fmt: skip


def test_a_study_makes_the_map_of_its_training_part_and_sweeps_by_it(
    run: Run, settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = RunFolder(run(settings, tmp_path / "run"))
    vector = SteeringVector.load(folder.vector_file("smollm2-135m", "kind"))
    assert bool((vector.statistics["transport_slope"] != 1).any())
    samples = folder.samples()
    assert set(samples.loc[samples["strength"] != 0, "scale"]) == {"transport"}
    steered = samples.pivot_table(index=["prompt_id", "order", "layers"], columns="strength", values="score")
    assert bool(torch.tensor((steered[0.5] != steered[1.0]).to_numpy()).any())


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"baselines": {"asked_for": "Be so.", "asked_against": "Do not."}}, "baselines"),
        ({"side_effects": True}, "random: 0"),
        ({"diagnosis": {"methods": True}}, "diagnosis: methods"),
    ],
)
def test_what_compares_directions_is_refused_as_the_scale_has_none(
    settings: dict[str, Any], more: dict[str, Any], asked: str
) -> None:
    with pytest.raises(SettingError, match=f"{asked}.*uses no direction"):
        make_study(settings | more)
    make_study(settings | {"side_effects": {"random": 0}})


def test_the_progress_of_a_training_counts_steps_and_that_of_a_reading_rows() -> None:
    assert (extracting("kind", "m").unit, extracting("kind", "m", "ssv").unit) == ("rows", "steps")
