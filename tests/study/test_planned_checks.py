"""What checks would take, counted as they will be made."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab.errors import TrimtabWarning
from trimtab.evaluation.methods import RANDOMS, SINGLES, possible_methods
from trimtab.study import make_study, plan_study

MODEL = {"id": "nobody/nothing", "facts": {"layers": 12, "width": 64, "heads": 4, "kv_heads": 2, "parameters": "1B"}}
VECTORS = len(possible_methods(has_pairs=True)) - 2 + SINGLES + RANDOMS


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


def scored(**changes: Any) -> int:
    """Scores of a diagnosis that compares methods, for 16 open pairs."""
    content = {"models": [MODEL], "behaviors": [{"source": "permissive", "limit": 16}], "diagnosis": {"methods": True}}
    (step,) = plan_study(make_study({**content, **changes}), "h100").steps
    (check,) = step.checks
    return check.scored


def test_methods_are_counted_at_their_own_strengths_whatever_the_study_sweeps() -> None:
    rows, layers = 8, 2
    expected = rows * (1 + VECTORS * layers * 2)
    assert scored(layers="3,5", strengths=[-1, 1]) == expected
    assert scored(layers="3,5", strengths=[-2, -1, 1, 2]) == expected


def test_methods_are_counted_at_single_layers() -> None:
    assert scored(layers="3,5,7+8") == scored(layers="3,5")
    with pytest.warns(TrimtabWarning, match="the sweep has none"):
        assert scored(layers="7+8") == 0
