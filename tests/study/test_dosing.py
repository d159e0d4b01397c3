"""Doses in a run: found once, read again, added to, and kept apart from what is out of reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiny import tiny, vector_for
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import Grid, dose, neutral_texts, parse_layers
from trimtab.steering import Cell
from trimtab.store.run_folder import RunFolder
from trimtab.study import make_study
from trimtab.study.measures.dose.run import Doses


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.open(tmp_path / "run", "x")


def doses(folder: RunFolder, model: Model, **settings: Any) -> Doses:
    study = make_study({"behaviors": ["cheerful"], **settings})
    return Doses(folder, model, study, lambda what, done, total: None, neutral_texts(model)[:3])


def grid(found: Doses, layers: str, strengths: tuple[float, ...], scale: str = "kl") -> Grid:
    cells = Grid(parse_layers(layers, found.model.facts.layers), strengths, found.study.steering(scale))
    return found.calibrated(cells, vector_for(found.model.backbone), "cheerful")


def table(folder: RunFolder) -> pd.DataFrame:
    rows = folder.parts("dose")
    assert rows is not None
    return rows


def test_strengths_are_found_once_and_then_read(folder: RunFolder, model: Model, monkeypatch: Any) -> None:
    first = grid(doses(folder, model), "1,2", (-0.05, 0.05))
    monkeypatch.setattr("trimtab.study.measures.dose.run.find_strengths", lambda *_: pytest.fail("they are on disk"))
    again = grid(doses(folder, model), "1,2", (-0.05, 0.05))
    assert again.alphas == pytest.approx(first.alphas)
    assert len(table(folder)) == 4


def test_more_cells_are_added_to_those_that_are_known(folder: RunFolder, model: Model) -> None:
    first = grid(doses(folder, model), "1", (0.05,))
    more = grid(doses(folder, model), "1,2", (0.02, 0.05))
    assert len(more.steered) == 4
    assert first.alphas is not None
    assert more.alphas is not None
    assert more.alphas[Cell((1,), 0.05)] == pytest.approx(first.alphas[Cell((1,), 0.05)])
    np.testing.assert_allclose(table(folder)["kl"], table(folder)["strength"], rtol=0.051)
    assert not table(folder).duplicated(["layers", "strength"]).any()


def test_layers_that_share_a_strength_are_pushed_alike_the_second_time(folder: RunFolder, model: Model) -> None:
    first = grid(doses(folder, model, share_strength=True), "1+2", (0.05,))
    again = grid(doses(folder, model, share_strength=True), "1+2", (0.05,))
    assert again.alphas == pytest.approx(first.alphas)
    texts, vectors = neutral_texts(model)[:3], vector_for(model.backbone)
    assert dose(model, vectors, again, "any", texts)["kl"].iloc[0] == pytest.approx(0.05, rel=0.051)


def test_cells_out_of_reach_are_named_each_time_and_looked_for_once(
    folder: RunFolder, model: Model, monkeypatch: Any
) -> None:
    with pytest.warns(TrimtabWarning, match="layer 1 at 500"):
        first = grid(doses(folder, model), "1", (0.05, 500.0))
    assert first.steered == [((1,), 0.05)]
    monkeypatch.setattr("trimtab.study.measures.dose.run.find_strengths", lambda *_: pytest.fail("known out of reach"))
    with pytest.warns(TrimtabWarning, match="layer 1 at 500"):
        assert grid(doses(folder, model), "1", (0.05, 500.0)).steered == first.steered


def test_a_dose_that_no_cell_reaches_is_an_error(folder: RunFolder, model: Model) -> None:
    with pytest.warns(TrimtabWarning), pytest.raises(SettingError, match="ask for less"):
        grid(doses(folder, model), "1", (500.0,))


def test_doses_are_measured_where_the_study_asks(folder: RunFolder, model: Model) -> None:
    grid(doses(folder, model), "1,2", (-0.2, 0.2), "relative")
    assert folder.parts("dose") is None
    grid(doses(folder, model, dose=True), "1,2", (-0.2, 0.2), "relative")
    grid(doses(folder, model, dose=True), "2,3", (0.2,), "relative")
    assert sorted(zip(table(folder)["layers"], table(folder)["strength"], strict=True)) == [
        ("1", -0.2), ("1", 0.2), ("2", -0.2), ("2", 0.2), ("3", 0.2),
    ]  # fmt: skip
