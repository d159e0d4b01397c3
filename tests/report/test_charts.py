from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from trimtab.report._page import embedded_json
from trimtab.report._report_files import write_chart
from trimtab.report.charts._palette import (
    AWAY,
    KEPT,
    LOST,
    REVERSED,
    SERIES,
    TOWARD,
    UNSTEERED,
    ramp,
    signed_tones,
)
from trimtab.report.charts.base import Chart, compact, slugged
from trimtab.report.charts.violins import HALF_WIDTH, outline


def contrast(one: str, other: str) -> float:
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


TONES = [*SERIES, *ramp(7), TOWARD, AWAY, UNSTEERED, KEPT, LOST, REVERSED, *signed_tones([-2, -1, 0, 1, 2])]


@pytest.mark.parametrize("colour", TONES)
@pytest.mark.parametrize("page", ["#ffffff", "#14181b"])
def test_colours_stand_out_on_both_pages(colour, page):
    assert contrast(colour, page) >= 3


def test_a_violin_follows_the_density():
    values = np.random.default_rng(0).normal(5, 1, 400)
    grid, width = outline(values)
    assert grid[width.argmax()] == pytest.approx(5, abs=0.5)
    assert width.max() == pytest.approx(HALF_WIDTH)
    assert width[[0, -1]].max() < 0.1 * HALF_WIDTH


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 10])
def test_too_little_for_a_violin(values):
    assert len(outline(np.array(values))[0]) == 0


def test_a_violin_of_mostly_equal_scores():
    grid, _ = outline(np.array([0.0] * 9 + [1.0]))
    assert np.isfinite(grid).all()


def test_embedded_json_cannot_leave_its_script():
    text = embedded_json({"a": "</script><!-- & \u2028"})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script><!-- & \u2028"}


def test_data_is_plain_json():
    row = compact({"a": float("nan"), "b": np.float64(1 / 3), "c": np.int64(4), "d": True, "e": "x", "f": np.inf})
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "a": None, "b": 0.33333, "c": 4, "d": True, "e": "x", "f": None,
    }  # fmt: skip


def test_file_names_are_plain():
    assert slugged("layer-curve", "Qwen/Qwen3 4B", "Δ ../x") == "layer-curve-qwen-qwen3-4b-x"


@pytest.mark.parametrize(
    "character",
    ["\0", "\x1b", "\n", "\x7f", "\x9b", "\u2028", "\u202e", "\ud83d", "\ufffe"],
    ids=lambda c: f"U+{ord(c):04X}",
)
def test_pictures_are_drawn_whatever_characters_names_hold(tmp_path, character):
    name = f"p{character}1"
    spec = {
        "data": {"values": [{"to": 1, "at": name}]}, "mark": "bar", "title": {"text": name},
        "encoding": {"x": {"field": "at", "type": "nominal"}, "y": {"field": "to", "type": "quantitative"}},
    }  # fmt: skip
    write_chart(Chart("chart", name, "", spec, pd.DataFrame({"a": [1]})), tmp_path)
    assert (tmp_path / "charts" / "chart.png").stat().st_size > 1000
