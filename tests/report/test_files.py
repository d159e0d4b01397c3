"""The files of a report: whatever stands in names, ids and numbers, charts are drawn and CSV files compute nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from trimtab.errors import RunError
from trimtab.report._report_files import write_chart, write_report_file
from trimtab.report.charts import Chart
from trimtab.report.charts.pictures import drawable

HOSTILE = ["\x00\x07\x1b[2J", "\x1b]52;c;YQ==\x07", "\ufffe\uffff", "\ud800", "\x0b\x0c", "<script>&\"'", "\u202eabc"]


def chart(text: str, value: float = 1.0) -> Chart:
    spec = {
        "data": {"values": [{"a": text, "b": value}]},
        "mark": "bar",
        "encoding": {"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}},
    }
    return Chart(slug="hostile", title=text, alt="", spec=spec, data=pd.DataFrame({"reply": ["=1+1"], "n": [-1.5]}))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_chart_is_drawn_whatever_characters_names_hold(text: str, tmp_path: Path) -> None:
    # Before anything is drawn: a character that is left in would end the process.
    safe = json.dumps(drawable(chart(text).picture()), ensure_ascii=False)
    assert not [c for c in safe if ord(c) < 32 or c in "\ufffe\uffff" or 0xD800 <= ord(c) < 0xE000]
    assert "\\u00" not in safe
    if text.isascii():
        write_chart(chart(text), tmp_path)
        assert (tmp_path / "charts" / "hostile.png").stat().st_size > 100


@pytest.mark.parametrize("value", [10**19, -(10**30), 2**63, 1e300])
def test_a_chart_is_drawn_however_large_numbers_are(value: float, tmp_path: Path) -> None:
    write_chart(chart("a", value), tmp_path)
    assert (tmp_path / "charts" / "hostile.svg").read_text().startswith("<svg")


def test_whole_numbers_that_a_float_holds_stay_whole() -> None:
    assert json.dumps(drawable({"a": [1, True, 2**53, 0.5]})) == '{"a": [1, true, 9007199254740992, 0.5]}'


def test_the_numbers_beside_a_chart_are_no_formulas(tmp_path: Path) -> None:
    write_chart(chart("=1+1"), tmp_path)
    assert (tmp_path / "charts" / "hostile.csv").read_text() == "reply,n\n'=1+1,-1.5\n"


@pytest.mark.parametrize("name", ["report.html", "charts", "charts/hostile.svg"])
def test_no_file_of_a_report_is_written_through_a_link(name: str, tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "hostile.svg").write_text("mine")
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(outside if name == "charts" else outside / "hostile.svg")
    write = {"report.html": lambda: write_report_file(out / name, "page", out)}.get(
        name, lambda: write_chart(chart("a"), out)
    )
    with pytest.raises(RunError, match=rf"{name}: is a link"):
        write()
    assert (outside / "hostile.svg").read_text() == "mine"
