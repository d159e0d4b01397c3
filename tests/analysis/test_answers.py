from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import RATES, answer_agreement, answer_curves, best_cells, effects

LOGIT = [1.0, 2, 4, 3, 1]


def logits(make, **columns):
    zero = np.array([0.0, 1, 2, 1])
    cells = {(i, s): zero + s * size / 2 for i, size in enumerate(LOGIT) for s in (1, -1)}
    return effects(make({(-1, 0): zero} | cells, n_layers=5, **columns), draws=20)


def rates(changes, **columns):
    rows = [(-1, 0.0, 0.5)] + [(i, s, 0.5 + s * c / 2) for i, c in enumerate(changes) for s in (1.0, -1.0)]
    table = pd.DataFrame(rows, columns=["layer", "strength", "rate"])
    table = table.assign(model="m", behavior="b", depth=(table["layer"] + 1) / 5, n=60, validity=0.9)
    return table.assign(**columns)[list(RATES)]


def both(make, changes):
    table = logits(make)
    best = best_cells(table)
    curves = answer_curves(table, rates(changes), best)
    return curves, answer_agreement(curves, best)


def test_curves_side_by_side_and_scaled_to_their_own_range(make):
    curves, _ = both(make, [0.1, 0.1, 0.3, 0.5, 0.2])
    assert curves["logit"].tolist() == LOGIT
    assert curves["generation"].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.2])
    assert curves["logit_norm"].tolist() == pytest.approx([0, 1 / 3, 1, 2 / 3, 0])
    assert curves["generation_norm"].tolist() == pytest.approx([0, 0, 0.5, 1, 0.25])


def test_agreement_and_change_at_the_best_cell(make):
    changes = [0.1, 0.1, 0.3, 0.5, 0.2]
    _, (row,) = (lambda c, p: (c, p.to_dict("records")))(*both(make, changes))
    assert (row["n_layers"], np.isnan(row["r"])) == (5, True)  # five layers lie near some line by chance
    assert (row["best_logit_layer"], row["best_generation_layer"]) == (2, 3)
    assert (row["change"], row["largest_change"]) == pytest.approx((0.3, 0.5))
    assert row["delta"] == 4.0


def test_flat_answers_have_no_correlation(make):
    _, table = both(make, [0.2] * 5)
    assert np.isnan(table["r"][0])


def test_without_minus_alpha_the_unsteered_rate_stands_in(make):
    table = logits(make)
    only = rates([0.2] * 5).query("strength >= 0")
    assert answer_curves(table, only, best_cells(table))["generation"].tolist() == pytest.approx([0.1] * 5)


def test_models_that_have_one_side_only_are_left_out(make):
    table = logits(make, model="other")
    assert answer_curves(table, rates([0.1] * 5), best_cells(table)).empty
