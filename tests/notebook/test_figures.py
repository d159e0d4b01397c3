"""Figures of single objects: charts of the report that notebooks show and that are saved."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from report.checks import LAYERS, checked_run
from report.planted_baselines import planted_baselines
from spoken import spoken, spoken_manifest
from tiny import tiny, vector_for
from trimtab._util.plot_registry import PLOTS
from trimtab.errors import SettingError
from trimtab.evaluation import Sweep
from trimtab.notebook import BaselineComparison, ChartFigure, Diagnosis, Robustness, SideEffects, Tuning
from trimtab.report import RunTables
from trimtab.vectors import LetterLeakage, SteeringVector


@pytest.fixture(scope="module")
def vector() -> SteeringVector:
    found = vector_for(tiny("llama"))
    letter = LetterLeakage(cosine=(0.1, 0.2, 0.3, 0.1), share=(0.5, 0.4, 0.3, 0.2))
    return replace(found, provenance=replace(found.provenance, letter=letter))


@pytest.fixture(scope="module")
def run() -> RunTables:
    """A run of one behavior with everything measured, planted from a seed."""
    checked = checked_run(sizes={"cheerful": 2.0})
    replies, judgements, dose = spoken(LAYERS)
    settings = {"layers": "4", "strengths": [-0.4, 0.4], "scale": "relative", "replies": {"min_coherence": 7.0}}
    manifest = {**checked.manifest, **spoken_manifest(), "settings": settings}
    tables = {**checked.tables, **planted_baselines()}
    return replace(checked, manifest=manifest, replies=replies, judgements=judgements, dose=dose, tables=tables)


def drawn(of: str, vector: SteeringVector, run: RunTables) -> Any:
    strengths = pd.concat(
        [run.samples, run.samples[run.samples["strength"] != 0].assign(strength=lambda t: 2 * t["strength"])]
    )
    return {
        "vector": lambda: vector, "sweep": lambda: Sweep(strengths), "tuning": lambda: Tuning(run),
        "diagnosis": lambda: Diagnosis(run), "side_effects": lambda: SideEffects(run),
        "robustness": lambda: Robustness(run), "baselines": lambda: BaselineComparison(run),
    }[of]()  # fmt: skip


@pytest.mark.parametrize("name", PLOTS.built_in)
def test_every_figure_is_drawn_and_its_numbers_are_those_of_the_object(
    name: str, vector: SteeringVector, run: RunTables
) -> None:
    of, _, kind = name.partition(".")
    figure = drawn(of, vector, run).plot(kind)
    assert isinstance(figure, ChartFigure)
    assert len(figure.data)
    bundle = figure._repr_mimebundle_()
    (vega,) = (content for kind_, content in bundle.items() if kind_.startswith("application/vnd.vegalite.v"))
    assert vega["datasets"]["rows"]
    assert ET.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")
    assert bundle["text/plain"] == figure.chart.alt


def test_a_figure_is_saved_as_its_ending_says(vector: SteeringVector, tmp_path: Path) -> None:
    figure = vector.plot()
    beginnings = {
        ".svg": b"<svg",
        ".png": b"\x89PNG",
        ".pdf": b"%PDF",
        ".html": b"<!DOCTYPE html>",
        ".csv": b"behavior,",
    }
    for ending, beginning in beginnings.items():
        path = figure.save(tmp_path / "made" / f"norms{ending}")
        assert path.read_bytes().lstrip().startswith(beginning)
    table = pd.read_csv(io.BytesIO((tmp_path / "made" / "norms.csv").read_bytes()))
    expected = (vector.norm / vector.require_residual_norm()).numpy()
    np.testing.assert_allclose(table["value"], expected, rtol=1e-4)
    page = (tmp_path / "made" / "norms.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    with pytest.raises(SettingError, match=r"norms\.docx: the ending says how a figure is saved; give it one of \.svg"):
        figure.save(tmp_path / "norms.docx")


def test_cosines_are_those_between_layers(vector: SteeringVector) -> None:
    table = vector.plot("cosines").data.pivot(index="layer", columns="other layer", values="cosine")  # type: ignore[attr-defined]
    one, two = vector.direction[1], vector.direction[3]
    assert table.loc[1, 3] == pytest.approx(float(one @ two / (one.norm() * two.norm())), abs=1e-5)
    assert np.allclose(np.diag(table), 1)


def test_an_unknown_figure_is_refused_with_the_nearest_and_all_of_them(vector: SteeringVector) -> None:
    with pytest.raises(
        SettingError, match=r"no plot 'cosine'; did you mean 'cosines'.; choose from norms, cosines, letter"
    ):
        vector.plot("cosine")


def test_what_is_not_there_is_not_drawn(vector: SteeringVector) -> None:
    plain = replace(vector, provenance=replace(vector.provenance, letter=None))
    with pytest.raises(SettingError, match="nothing to draw: there is no letter"):
        plain.plot("letter")


def test_what_was_measured_is_said_in_sentences(run: RunTables) -> None:
    tuned, effects, kept = Tuning(run), SideEffects(run), Robustness(run)
    assert tuned.toward is not None
    assert (tuned.toward.layers, tuned.toward.strength, tuned.toward.held_out) == ((4,), 0.4, True)
    assert "layer 4, strength +0.4 (relative): judged replies change by +3.9" in str(tuned.toward)
    assert repr(tuned).splitlines()[0] == "Tuning('cheerful', in tiny-135M, 36 settings, 492 replies)"
    assert repr(tuned).splitlines()[1].startswith("toward: layer 4 at +0.4: +3.9 [")
    assert tuned.toward.change_interval[0] < tuned.toward.change < tuned.toward.change_interval[1]
    assert tuned.findings
    for found in (effects, kept):
        assert found.findings
        assert repr(found).splitlines()[1] == found.findings[0]
