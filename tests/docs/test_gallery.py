"""The gallery has every kind of figure that there is, and its page and pictures are those of its texts."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

from trimtab._util.plot_registry import PLOTS
from trimtab.report.charts import Chart

FOLDER = Path(__file__).parents[2] / "docs" / "gallery"
MAX_BYTES = 1_500_000
WORDS = {
    "vector": "vectors",
    "tuning": "tuned",
    "diagnosis": "checks",
    "side_effects": "effects",
    "robustness": "kept",
    "baselines": "others",
}
"""What the gallery calls the object of a figure in Python."""


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = _build()


def drawing_functions() -> set[str]:
    """The public functions of the chart modules that return figures."""
    found = set()
    package = importlib.import_module("trimtab.report.charts")
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for name, function in inspect.getmembers(importlib.import_module(info.name), inspect.isfunction):
            returns = str(function.__annotations__.get("return", ""))
            if function.__module__ == info.name and not name.startswith("_") and returns in ("Chart", "list[Chart]"):
                found.add(name)
    return found - {"finished"}  # which makes a figure of any Altair chart


def test_every_function_that_draws_figures_is_in_the_gallery() -> None:
    functions = drawing_functions()
    assert len(functions) > 20
    assert {figure.function for figure in BUILD.FIGURES} == functions


@pytest.fixture(scope="module")
def planted() -> list[Chart]:
    charts: list[Chart] = BUILD.planted_charts({"corrigible": 1.6})
    return charts


def test_every_figure_of_a_report_is_of_a_kind_in_the_gallery(planted: list[Chart]) -> None:
    assert len(planted) > 50
    assert not [chart.slug for chart in planted if BUILD.kind_of(chart.slug) is None]


def test_a_figure_of_another_kind_is_missed() -> None:
    assert BUILD.kind_of("sideways-plus") is None
    assert BUILD.kind_of("behavior-cosines-by-layer-m").slug == "behavior-cosines-by-layer"


def test_the_gallery_finds_a_figure_of_each_kind(planted: list[Chart]) -> None:
    with pytest.raises(SystemExit, match="no figure of layer-cosines:"):  # which no report draws
        BUILD.chosen({"run": planted, "planted": planted})


def test_the_page_is_that_of_its_texts() -> None:
    assert BUILD.PAGE.read_text(encoding="utf-8") == BUILD.page()


def test_there_is_a_small_picture_of_each_kind() -> None:
    files = {path.stem: path.stat().st_size for path in FOLDER.glob("*.svg")}
    assert set(files) == {figure.slug for figure in BUILD.FIGURES}
    assert sum(files.values()) < MAX_BYTES


def test_calls_in_python_name_plots_that_there_are() -> None:
    text = BUILD.PAGE.read_text(encoding="utf-8")
    first = {name.partition(".")[0]: name for name in reversed(PLOTS.names())}
    for name in PLOTS.names():
        subject, _, kind = name.partition(".")
        word = WORDS.get(subject, subject)
        assert f"`{word}.plot('{kind}')`" in text or (first[subject] == name and f"`{word}.plot()`" in text), name
    named = re.findall(r"`(\w+)\.plot\('(\w+)'\)`", text)
    subjects = {word: subject for subject, word in WORDS.items()}
    assert {f"{subjects.get(word, word)}.{kind}" for word, kind in named} <= set(PLOTS.names())
