"""Does a vector do more than random pushes of its size?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import NULL_TESTS, NULLS, THE_VECTOR, null_effects, null_findings, null_tests
from trimtab.analysis.cells import FULL

from .conftest import samples


def drawn(kind: str, draw: int, push: float, seed: int = 0, chosen_by: str = "scores") -> pd.DataFrame:
    zero = np.random.default_rng(seed).normal(0, 2, 12)
    table = samples({(-1, 0.0): zero, (5, 0.1): zero + push / 2, (5, -0.1): zero - push / 2})
    return table.assign(kind=kind, draw=draw, chosen_by=chosen_by)


def against(vector: float, others: list[float]) -> pd.Series:
    rows = [drawn(THE_VECTOR, 0, vector), *(drawn("isotropic", i, push) for i, push in enumerate(others, 1))]
    effects = null_effects(pd.concat(rows, ignore_index=True))
    assert tuple(effects.columns) == NULLS
    found = null_tests(effects)
    assert tuple(found.columns) == NULL_TESTS
    return found.iloc[0]


def test_p_counts_the_directions_that_move_as_far_either_way() -> None:
    row = against(2.0, [0.1, -0.2, 2.5, -3.0, 1.0, 0.0, 0.3, -0.4, 0.5])
    assert row["p"] == pytest.approx((1 + 2) / (1 + 9))
    assert row["draws"] == 9


def test_a_vector_beyond_all_directions_has_the_smallest_p_that_so_many_allow() -> None:
    assert against(-5.0, [0.1] * 19)["p"] == pytest.approx(1 / 20)


def test_effects_are_in_units_of_the_unsteered_spread() -> None:
    row = against(2.0, [1.0, -1.0, 1.0])
    spread = np.std(np.random.default_rng(0).normal(0, 2, 12), ddof=1)
    assert row["glass"] == pytest.approx(2 / spread)
    assert row["null_median"] == pytest.approx(1 / spread)


def test_among_directions_like_itself_a_vector_is_rarely_called_special() -> None:
    rng, called = np.random.default_rng(1), 0
    for _ in range(100):
        effects = pd.DataFrame(
            {
                "model": "m", "behavior": "b", "chosen_by": "scores", "scale": "raw",
                "kind": [THE_VECTOR] + ["isotropic"] * 39, "draw": range(40),
                "layers": "5", "layer": 5, "depth": 0.5, "strength": 0.1, "compared": FULL, "n": 10,
                "delta": rng.normal(0, 1, 40), "glass": 0.0,
            }
        )  # fmt: skip
        called += null_tests(effects)["p"].iloc[0] <= 0.05
    assert called <= 11


def test_the_finding_speaks_of_the_kind_of_direction_that_does_most() -> None:
    rows = [drawn(THE_VECTOR, 0, 2.0)]
    rows += [drawn("isotropic", i, 0.1) for i in range(1, 31)] + [drawn("shuffled pairs", i, 3.0) for i in range(1, 31)]
    (finding,) = null_findings(null_tests(null_effects(pd.concat(rows, ignore_index=True))))
    assert finding.kind == "caution"
    assert "shuffled pairs" in finding.text


def test_too_few_directions_to_be_sure_are_not_told_as_a_failure() -> None:
    rows = [drawn(THE_VECTOR, 0, 5.0), *(drawn("isotropic", i, 0.1) for i in range(1, 9))]
    (finding,) = null_findings(null_tests(null_effects(pd.concat(rows, ignore_index=True))))
    assert finding.kind == "caution"
    assert finding.code == "too_few_directions"
    assert not finding.claims


def test_a_vector_whose_scores_are_no_numbers_is_not_called_special() -> None:
    broken = drawn(THE_VECTOR, 0, 5.0)
    broken.loc[broken["strength"] != 0, "score"] = np.nan
    rows = [broken, *(drawn("isotropic", i, 0.1) for i in range(1, 31))]
    found = null_tests(null_effects(pd.concat(rows, ignore_index=True)))
    assert found["p"].isna().all()
    assert null_findings(found)[0].kind == "caution"


def test_a_vector_that_moves_the_wrong_way_is_a_caution() -> None:
    rows = [drawn(THE_VECTOR, 0, -5.0), *(drawn("isotropic", i, 0.1) for i in range(1, 31))]
    (finding,) = null_findings(null_tests(null_effects(pd.concat(rows, ignore_index=True))))
    assert finding.kind == "caution"
    assert "the wrong way" in finding.text


def test_each_setting_that_was_checked_has_a_test_and_a_sentence_of_its_own() -> None:
    rows = [drawn(THE_VECTOR, 0, 5.0), *(drawn("isotropic", i, 0.1) for i in range(1, 31))]
    rows += [drawn(THE_VECTOR, 0, 0.0, 1, "replies"), *(drawn("isotropic", i, 3.0, 1, "replies") for i in range(1, 31))]
    tests = null_tests(null_effects(pd.concat(rows, ignore_index=True)))
    assert tests["chosen_by"].tolist() == ["scores", "replies"]
    by_scores, by_replies = null_findings(tests)
    assert by_scores.kind == "effect"
    assert "recommended" not in by_scores.text
    assert by_replies.kind == "caution"
    assert "recommended by replies" in by_replies.text
