"""Tasks of harnesses: paired differences, and what is found of them."""

from __future__ import annotations

import pytest

from trimtab.analysis.side_effects import task_changes, task_findings

from .scenarios import task_samples


def test_differences_are_paired_and_found_only_where_their_interval_excludes_zero() -> None:
    before = [1.0, 1.0, 1.0, 0.0] * 10
    (row,) = task_changes(task_samples(before, [0.0, 0.0, 1.0, 0.0] * 10)).to_dict("records")
    assert row["change"] == pytest.approx(-0.5)
    assert row["change_low"] < -0.5 < row["change_high"] < 0
    assert row["n"] == 40

    (worse,) = task_findings(task_changes(task_samples(before, [0.0, 0.0, 1.0, 0.0] * 10)))
    assert worse.kind == "caution"
    (better,) = task_findings(task_changes(task_samples(before, [1.0] * 40)))
    assert better.kind == "effect"
    (lower,) = task_findings(task_changes(task_samples(before, [1.0] * 40, "lower")))
    assert lower.kind == "caution"
    assert not task_findings(task_changes(task_samples(before, [*before[:-1], 1.0])))


def test_a_metric_without_samples_has_a_change_and_no_finding() -> None:
    table = task_samples([0.0], [1.0]).assign(sample="", value=float("nan"))
    changes = task_changes(table)
    assert changes["change"].tolist() == [1.0]
    assert changes["change_low"].isna().all()
    assert not task_findings(changes)
