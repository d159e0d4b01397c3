from __future__ import annotations

import os
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthetic import NOISE, PEAKED, synthetic_manifest, synthetic_samples
from trimtab.analysis import best_cells, effects
from trimtab.errors import RunError, SettingError
from trimtab.report import RunTables, write_report


def page_of(runs: list[RunTables], folder: Path) -> str:
    """The text of a report's page."""
    write_report(runs, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page would load, show and contain."""

    def __init__(self, text: str):
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data") and value]


@pytest.fixture(scope="module")
def written(demo_page) -> Path:
    return demo_page.parent


@pytest.fixture(scope="module")
def html(written) -> str:
    return (written / "report.html").read_text(encoding="utf-8")


def test_files_lie_beside_the_page(written):
    assert {"report.html", "report.md", "cells.csv", "best.csv", "charts", "tables", "paper"} == set(
        os.listdir(written)
    )
    for svg in (written / "charts").glob("*.svg"):
        assert "<svg" in svg.read_text(encoding="utf-8")[:500]
        head = svg.with_suffix(".png").read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">I", head[16:20])[0] > 400


def test_the_page_loads_nothing(html):
    page = Page(html)
    assert page.loads
    assert not [target for target in page.loads if re.match(r"(https?:)?//", target)]
    assert "@import" not in html
    assert not re.search(r"url\((?!['\"]?(#|data:))[^)]*//", html.split("<script>")[0])
    policy = dict(page.tags)["meta"] and next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_links_lead_to_files_and_places_that_exist(html, written):
    page = Page(html)
    places = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    for target in page.loads:
        if target.startswith("#"):
            assert target[1:] in places
        elif not target.startswith("data:"):
            assert (written / target).is_file()


def test_the_page_is_small(written):
    assert (written / "report.html").stat().st_size < 2_000_000


def test_the_page_is_accessible(html):
    page = Page(html)
    assert ("html", {"lang": "en"}) in page.tags
    charts = [attrs for _, attrs in page.tags if attrs.get("class") == "chart"]
    assert charts
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 30 for chart in charts)
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.tags if tag == "th")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_findings_come_from_the_numbers(html, demo):
    best = best_cells(effects(demo.samples)).set_index("behavior")
    row = best.loc[PEAKED]
    size = f"{row['delta']:.2f} logits [{row['delta_low']:.2f}, {row['delta_high']:.2f}] (Δ {row['glass']:.2f})"
    assert f"Steering moves {PEAKED} by {size} at layer {row['layer']} of 0–29" in html
    assert f"No setting is shown to move {NOISE}" in html


def test_csv_files_hold_the_numbers_of_the_analysis(written, demo):
    cells = pd.read_csv(written / "cells.csv", dtype={"layers": str})
    expected = effects(demo.samples)
    pd.testing.assert_frame_equal(cells, expected, check_dtype=False)
    best = pd.read_csv(written / "best.csv")
    assert best["layer"].tolist() == best_cells(expected)["layer"].tolist()
    assert {"anti", "delta_given", "delta_swapped", "held_out"} <= set(best.columns)


def test_what_was_run_is_told(html):
    for text in ("LlamaForCausalLM", "135 M", "9 (3)", "trimtab study demo.yaml", "method: ", "81.0 s"):
        assert text in html


def test_several_runs_name_the_run(demo, tmp_path):
    other = synthetic_samples({PEAKED: 0.8}, seed=7)
    runs = [demo, RunTables("second", synthetic_manifest(other), other)]
    html = page_of(runs, tmp_path)
    assert f"{PEAKED} (second)" in html
    assert "tiny-135M · second" in html
    assert list(pd.read_csv(tmp_path / "cells.csv")["run"].unique()) == ["demo", "second"]


def test_names_from_the_data_are_escaped(tmp_path):
    evil = "</script><script>alert(1)</script><b>&"
    samples = synthetic_samples({evil: 1.0}, layers=3, prompts=5)
    manifest = synthetic_manifest(samples, 3, warnings=[evil], command=evil, settings={evil: evil})
    html = page_of([RunTables(evil, manifest, samples)], tmp_path)
    assert "<script>alert" not in html
    assert "<b>" not in html
    scripts = [attrs for tag, attrs in Page(html).tags if tag == "script"]
    assert len(scripts) == len(list((tmp_path / "charts").glob("*.svg"))) + 2


def unsteered_only(samples):
    return samples[samples["strength"] == 0]


def not_a_number(samples):
    return samples.assign(score=samples["score"].where(samples["layer"] != 2))


def constant(samples):
    return samples.assign(score=np.where(samples["strength"] == 0, 1.0, samples["score"]))


def no_score_at_all(samples):
    return samples.assign(score=float("nan"))


def layer_sets(samples):
    joint = samples[samples["layer"] == 1].assign(layers="1+3")
    return pd.concat([samples, joint])


def open_pairs(samples):
    return samples[samples["order"] == 0].assign(scoring="text", label="", score=samples["score"] / 1000)


def one_layer(samples):
    return samples[samples["layer"].isin([-1, 2])]


def only_plus(samples):
    return samples[samples["strength"] >= 0]


def one_prompt(samples):
    return samples[samples["prompt_id"] == "test-0"]


CASES = [
    unsteered_only, not_a_number, constant, no_score_at_all, layer_sets, open_pairs, one_layer, only_plus, one_prompt,
]  # fmt: skip


@pytest.mark.parametrize("change", CASES)
def test_awkward_runs_get_a_report(change, tmp_path):
    samples = change(synthetic_samples({PEAKED: 1.0}, layers=4, prompts=12))
    manifest = synthetic_manifest(samples, 4)
    for vector in manifest["vectors"]:
        vector["letter"] = None
    html = page_of([RunTables("awkward", manifest, samples)], tmp_path)
    assert "Letter leakage" not in html
    assert (
        "nan"
        not in re.sub(r"<script.*?</script>|<style.*?</style>|data-packed=\"[^\"]*\"", "", html, flags=re.S).lower()
    )


def test_a_bare_manifest_will_do(tmp_path):
    samples = synthetic_samples({PEAKED: 1.0}, layers=3, prompts=8)
    assert page_of([RunTables("bare", {}, samples)], tmp_path)


def test_several_strengths_and_a_missing_norm(tmp_path):
    samples = synthetic_samples({PEAKED: 1.0}, layers=4, prompts=8, strengths=(-1, -0.5, 0.5, 1))
    manifest = synthetic_manifest(samples, 4)
    manifest["vectors"][0]["norm"][1] = None
    html = page_of([RunTables("strengths", manifest, samples)], tmp_path)
    assert "Effect by layer and strength" in html


def test_a_second_report_replaces_the_first_and_leaves_nothing_behind(demo, tmp_path):
    write_report([demo], tmp_path / "report.html")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    write_report([demo], tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_told(demo, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_report([demo], tmp_path / "file" / "report.html")


def test_runs_need_different_names(demo, tmp_path):
    with pytest.raises(SettingError, match="names of their own"):
        write_report([demo, demo], tmp_path / "report.html")
    with pytest.raises(SettingError, match="at least one"):
        write_report([], tmp_path / "report.html")
