"""Every figure of a run with everything: colours, strength axes, data, and the sizes of papers."""

from __future__ import annotations

import itertools
import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from report.full import full_run
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.report import RunTables
from trimtab.report._report_files import write_chart
from trimtab.report._sections import sections
from trimtab.report.charts import Chart
from trimtab.report.charts._palette import AWAY, RAMP, SERIES, TOWARD, UNSTEERED, effect_fill, signed_tones
from trimtab.report.charts.pictures import fitted
from trimtab.report.results import analysed

UNITS = {"alpha", "relative", "kl"}


@pytest.fixture(scope="module")
def charts() -> list[Chart]:
    return [chart for section in sections(analysed([full_run()])) for chart in section.charts]


def titles(node: Any) -> list[str]:
    """The titles of axes and legends in a spec; not those of tooltips."""
    if isinstance(node, list):
        return [title for item in node for title in titles(item)]
    if not isinstance(node, dict):
        return []
    found = []
    for name, value in node.items():
        if name in ("x", "y", "color", "stroke", "fill", "shape", "strokeDash") and isinstance(value, dict):
            named = [value, value.get("axis") or {}, value.get("legend") or {}]
            found += [str(one.get("title") or "") for one in named]
        elif name not in ("tooltip", "datasets"):
            found += titles(value)
    return found


def test_every_figure_with_strengths_on_it_follows_the_strength_axis(charts: list[Chart]) -> None:
    with_strengths = [chart for chart in charts if any("strength" in title for title in titles(chart.spec))]
    imported = {"condition-scores"}  # results made elsewhere, whose doses nobody measured
    measured = [chart for chart in with_strengths if not chart.slug.startswith(tuple(imported))]
    kinds = {chart.slug.split("-tiny")[0].split("-cheerful")[0].split("-concise")[0] for chart in with_strengths}
    assert kinds - imported == {
        "scores", "says-change", "says-coherence", "usable", "strengths", "side-perplexity", "side-easy-questions",
    }  # fmt: skip
    assert [chart.slug for chart in measured if set(chart.variants) != UNITS] == []
    assert [chart.slug for chart in charts if chart.variants and chart not in with_strengths] == []


def test_a_figure_in_another_unit_reads_that_unit(charts: list[Chart]) -> None:
    for chart in charts:
        for unit, variant in chart.variants.items():
            text = json.dumps(variant, ensure_ascii=False)
            assert {"alpha": "α", "relative": "norm", "kl": "KL"}[unit] in text
            fields = set(re.findall(r'"field": "(\w+)"', text))
            rows = next(iter(chart.spec["datasets"].values()))
            known = {name for row in rows for name in row} | {"label", "from_zero", "both", "number"}
            assert fields <= known, chart.slug


def test_the_data_of_every_figure_have_plain_headers_with_units(charts: list[Chart]) -> None:
    for chart in charts:
        header = chart.csv.splitlines()[0].split(",")
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in header), (chart.slug, header)
        assert len(header) == len(set(header)), chart.slug
        assert not set(header) & {"glass", "delta", "alpha", "relative", "kl", "low", "high", "n", "to"}, chart.slug
        assert len(chart.data)


def test_no_series_has_the_colour_of_a_direction(charts: list[Chart]) -> None:
    taken = {TOWARD, AWAY, UNSTEERED}
    assert not taken & set(SERIES)
    for chart in charts:
        for scale in re.findall(r'"domain": (\[[^\]]*\]), "range": (\["#[^\]]*\])', json.dumps(chart.spec)):
            domain, tones = (json.loads(part) for part in scale)
            for name, tone in zip(domain, tones, strict=False):
                if tone in (TOWARD, AWAY):
                    assert name in ("+", "−"), (chart.slug, name)


def seen(tone: str) -> dict[str, np.ndarray]:
    """A colour as OKLab has it, as seen by all and by readers without one kind of cone (Machado et al. 2009)."""
    srgb = np.array([int(tone[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    views = {
        "all cones": np.eye(3),
        "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
        "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                            [-0.011820, 0.042940, 0.968881]]),
        "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
    }  # fmt: skip
    to_lms = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                       [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
    to_lab = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                       [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip
    return {name: to_lab @ np.cbrt(to_lms @ np.clip(view @ linear, 0, 1)) for name, view in views.items()}


def test_colour_blind_readers_tell_directions_and_series_apart() -> None:
    for tones, least in (((TOWARD, AWAY, UNSTEERED), 0.07), (SERIES, 0.06)):
        for one, other in itertools.combinations(tones, 2):
            a, b = seen(one), seen(other)
            for view in a:
                assert np.linalg.norm(a[view] - b[view]) >= least, (one, other, view)


def test_strengths_have_the_tone_of_their_direction() -> None:
    tones = signed_tones([-1, -0.5, 0, 0.5, 1])
    assert tones[2] == UNSTEERED
    blue = [int(tone[5:], 16) - int(tone[1:3], 16) for tone in tones]
    assert max(blue[:2]) < 0 < min(blue[3:])
    assert len(set(tones)) == 5


@pytest.mark.parametrize("values", [[], [0.0], [-2.0, -1.0], [0.5, 1.5], [-0.5, 2.0]])
def test_a_heatmap_s_scale_holds_its_numbers_and_0(values: list[float]) -> None:
    fill: Any = effect_fill("value", values, "delta").to_dict()
    scale = fill["scale"]
    domain = scale["domain"]
    assert domain == sorted(domain)
    assert len(domain) == len(scale["range"])
    assert domain[0] <= min([0, *values]) <= max([0, *values]) <= domain[-1]
    assert 0 in domain


def test_pictures_have_the_widths_of_papers(charts: list[Chart], tmp_path: Path) -> None:
    chart = next(chart for chart in charts if chart.slug.startswith("layer-curve"))
    long = " · ".join(["a model with a long name"] * 6)
    write_chart(replace(chart, slug="one", title=long), tmp_path)
    for folder, inches in (("charts", 7.0), ("charts/one-column", 3.4)):
        svg = (tmp_path / folder / "one.svg").read_text(encoding="utf-8")
        assert float(re.findall(r'width="([\d.]+)in"', svg)[0]) == pytest.approx(inches, abs=0.02)
        assert sum(len(line) for line in re.findall(r">([^<]*long name[^<]*)<", svg)) >= len(long) - 20
        png = (tmp_path / folder / "one.png").read_bytes()
        assert struct.unpack(">I", png[16:20])[0] == pytest.approx(inches * 300, abs=8)
        pdf = (tmp_path / folder / "one.pdf").read_bytes()
        [box] = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ", pdf)
        assert float(box) == pytest.approx(inches * 72, abs=1.5)
        assert min(float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)) * 0.7 >= 7
    assert (tmp_path / "charts" / "one.csv").is_file()


def test_legends_have_as_many_columns_as_fit() -> None:
    spec = {
        "scales": [{"name": "color", "domain": ["alpha", "beta", "gamma", "delta"]}],
        "legends": [{"stroke": "color", "columns": 1}], "marks": [], "axes": [],
    }  # fmt: skip
    assert fitted(spec, 720)["legends"][0]["columns"] == 4
    assert fitted(spec, 200)["legends"][0]["columns"] == 2


def test_scorings_of_one_model_never_share_a_figure(tmp_path: Path) -> None:
    choice = [synthetic_samples({PEAKED: 1.6}, layers=4, prompts=12, model=model) for model in ("one", "two")]
    text = [s.assign(scoring="text", score=s["score"] / 100) for s in choice]
    samples = pd.concat([*choice, *text], ignore_index=True)
    found = sections(analysed([RunTables("both", synthetic_manifest(samples, 4), samples)]))
    by_slug = {section.slug: section.charts for section in found}
    for slug in ("heatmap", "normalised"):
        assert {chart.title for chart in by_slug[slug]} == {"choice scoring", "text scoring"}
        for chart in by_slug[slug]:
            assert set(chart.data["model"]) == {"one", "two"}
    domains = {
        chart.title: json.loads(re.findall(r'"scale": \{"domain": (\[[^\]]*\]), "nice"', text_of(chart, "value"))[0])
        for chart in by_slug["delta-curve"]
    }
    assert domains["one · choice"] == domains["two · choice"]
    assert domains["one · text"][1] < domains["one · choice"][1] / 10


def text_of(chart: Chart, field: str) -> str:
    """The axis of a field, as JSON."""
    axes = [layer["encoding"].get("y", {}) for layer in chart.spec["layer"]]
    return json.dumps(next(axis for axis in axes if axis.get("field") == field))


def test_depths_and_sizes_have_no_colour_of_a_direction() -> None:
    for rgb in RAMP:
        assert "#" + "".join(f"{value:02x}" for value in rgb) not in (TOWARD, AWAY)
