"""Findings carry subject and values; sentences are made from them at the end, and no code takes them apart."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

import trimtab
from trimtab.analysis import Claim, Finding, Subject, caution, ordered, subject_first

SOURCE = Path(trimtab.__file__).parent
CUTTING = {"partition", "rpartition", "split", "rsplit", "removeprefix", "removesuffix", "replace", "index", "find"}
SENTENCES = {"text", "statement", "about"}


@subject_first
def rate(values):
    return f"a rate of {values['rate']:.1f}."


def test_the_sentence_is_made_from_subject_and_values():
    finding = caution(Subject("calm", "m"), rate, {"rate": 0.25})
    assert finding.text == "calm: a rate of 0.2."
    assert finding.code == "rate"
    assert caution(Subject("calm", "m", named=("model",)), rate, {"rate": 0.5}).text == "calm (m): a rate of 0.5."


def test_a_subject_comes_from_the_columns_of_a_row():
    row = {"behavior": "calm", "model": "m", "run": "r", "score": 1.0}
    subject = Subject.of(row, ("run",))
    assert (subject.behavior, subject.model, subject.run, subject.engine) == ("calm", "m", "r", "")
    assert str(subject) == "calm (r)"


def test_a_finding_of_one_of_several_runs_names_it():
    finding = caution(Subject("calm", "m", named=("model",)), rate, {"rate": 0.5}).in_run("second")
    assert finding.subjects[0].run == "second"
    assert finding.text == "calm (second, m): a rate of 0.5."


def test_a_finding_as_json_has_subject_values_and_claims():
    claim = Claim("effect", "calm", np.float64(0.5), 0.1, 0.9)
    values = {"rate": np.float32(0.5), "n": np.int64(3), "missing": float("nan"), "at": [{"layer": "5"}]}
    row = json.loads(json.dumps(caution(Subject("calm", "m"), rate, values, claims=[claim]).row()))
    assert row["subjects"] == [{"behavior": "calm", "model": "m"}]
    assert row["values"] == {"rate": 0.5, "n": 3, "missing": None, "at": [{"layer": "5"}]}
    assert row["claims"][0]["value"] == 0.5
    assert row["claims"][0]["p"] is None
    assert row["text"] == "calm: a rate of 0.5."


def test_findings_are_ordered_by_their_use_to_a_reader():
    about = (Subject("calm"),)
    claim = [Claim("effect", "calm", 1.0, 0.5, 1.5)]
    wanted = [
        Finding("effect", rate, {"rate": 0}, about, "replies", claim),
        Finding("effect", rate, {"rate": 1}, about, "scores", claim),
        Finding("negative", rate, {"rate": 2}, about, "replies", decisive=True),
        Finding("effect", rate, {"rate": 3}, about, "side effects", claim),
        Finding("effect", rate, {"rate": 4}, about, "robustness", claim),
        caution(about[0], rate, {"rate": 5}, "pairs", decisive=True),
        Finding("comparison", rate, {"rate": 6}, (), "models", claim),
        Finding("negative", rate, {"rate": 7}, (), "models"),
        caution(about[0], rate, {"rate": 8}),
        caution(about[0], rate, {"rate": 9}, "side effects"),
    ]
    uses = ["works"] * 3 + ["costs"] + ["certainty"] * 2 + ["models"] * 2 + ["details"] * 2
    assert [finding.use for finding in wanted] == uses
    assert [finding.values["rate"] for finding in ordered(wanted[::-1][5:] + wanted[::-1][:5])] == [*range(10)]
    assert wanted[2].row()["decisive"] is True


def cuts(file: Path) -> list[int]:
    """Lines that take apart the sentence of a finding: `finding.text.partition(…)`, `finding.text[3:]`, a pattern."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of, pattern = node.func.value, isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            taken = [*node.args] if pattern else [of] if node.func.attr in CUTTING else []
        elif isinstance(node, ast.Subscript):
            taken = [node.value]
        else:
            continue
        if any(isinstance(part, ast.Attribute) and part.attr in SENTENCES for part in taken):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("package", ["analysis", "report", "cli", "study"])
def test_no_code_takes_the_sentence_of_a_finding_apart(package):
    found = {file.name: lines for file in (SOURCE / package).rglob("*.py") if (lines := cuts(file))}
    assert not found


def test_a_sentence_that_is_taken_apart_is_found(tmp_path):
    for code in ("a = finding.text.partition(': ')", "finding.text[3:]", "re.sub('x', '', finding.text)"):
        (tmp_path / "code.py").write_text(code)
        assert cuts(tmp_path / "code.py") == [1], code
    (tmp_path / "code.py").write_text("finding.subjects[0]; name.split('.')")
    assert cuts(tmp_path / "code.py") == []
