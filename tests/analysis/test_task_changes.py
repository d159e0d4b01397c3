"""Tasks of harnesses: paired differences, and what is found of them."""

from __future__ import annotations

import pandas as pd
import pytest

from trimtab.analysis.cells import FULL
from trimtab.analysis.side_effects import of_signs, task_changes, task_findings
from trimtab.analysis.side_effects.side_findings import OPPOSITE

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


def test_every_metric_of_a_cell_has_the_choice_of_its_sign() -> None:
    table = task_samples([1.0] * 30, [0.0, 1.0, 1.0] * 10)
    both = pd.concat([table, table.assign(metric="acc_norm"), table.assign(task="u")], ignore_index=True)
    opposite = both[both["strength"] != 0].assign(strength=-0.3)
    setting = {"model": "m", "behavior": "own", "scale": "relative", "layers": "1", "strength": 0.3, "compared": FULL}
    chosen = pd.DataFrame([{**setting, "chosen_by": "replies", "sign": 1}])
    changes = task_changes(pd.concat([both, opposite], ignore_index=True).assign(chosen_by="replies"))
    signed = of_signs(changes, chosen, ("benchmark", "task", "metric"))
    assert len(signed) == len(changes) == 6
    assert set(signed.loc[signed["strength"] > 0, "chosen_by"]) == {"replies"}
    assert set(signed.loc[signed["strength"] < 0, "chosen_by"]) == {OPPOSITE}
    assert len(task_findings(signed)) == 3


def test_a_metric_without_samples_has_a_change_and_no_finding() -> None:
    table = task_samples([0.0], [1.0]).assign(sample="", value=float("nan"))
    changes = task_changes(table)
    assert changes["change"].tolist() == [1.0]
    assert changes["change_low"].isna().all()
    assert not task_findings(changes)
