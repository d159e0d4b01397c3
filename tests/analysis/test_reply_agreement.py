"""Scores against replies over layers: what moves the score and what moves the words, set side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spoken import BEST_LAYER, spoken
from synthetic import synthetic_samples
from trimtab.analysis import best_cells, effects, first_judged, judged_replies, reply_agreement, reply_cells


@pytest.fixture(scope="module")
def swept() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects and best cells of a behavior whose delta peaks at the same layer as its replies."""
    samples = synthetic_samples({"cheerful": 1.6}, layers=9, prompts=20, model="tiny-135M")
    table = effects(samples)
    return table, best_cells(table)


def cells(**options: object) -> pd.DataFrame:
    replies, judgements, _ = spoken(**options)  # type: ignore[arg-type]
    return first_judged(reply_cells(judged_replies(replies, judgements), intervals=False)).assign(engine="transformers")


def test_it_is_the_correlation_over_the_layers_that_both_have(swept: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table, best = swept
    found = reply_agreement(table.assign(engine="transformers"), best.assign(engine="transformers"), cells())
    assert found["size"].tolist() == [0.2, 0.4, 0.6]
    mine = table[(table["split"] == best["split"].iloc[0]) & (table["strength"] == best["strength"].iloc[0])]
    said = cells()
    said = said[(said["split"] == "select") & (said["strength"].abs() == 0.4)]
    change = said.pivot(index="layer", columns="strength", values="change")
    x, y = mine.set_index("layer")["delta"].sort_index(), (change[0.4] - change[-0.4]).sort_index()
    row = found.set_index("size").loc[0.4]
    assert row["n_layers"] == 9
    assert row["r"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert row["best_reply_layer"] == y.idxmax() == BEST_LAYER
    assert row["best_score_layer"] == x.idxmax()
    assert row["there"] == pytest.approx(y[x.idxmax()])
    assert row["largest"] == pytest.approx(y.max())
    assert row["r_low"] < row["r"] < row["r_high"]


def test_layers_with_fewer_prompts_or_one_end_only_do_not_count(swept: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table, best = (frame.assign(engine="transformers") for frame in swept)
    said = cells()
    dropped = (said["layer"] == 0) & (said["strength"] == 0.4)
    few = said.assign(prompts=said["prompts"].where(~dropped, 2))
    found = reply_agreement(table, best, few).set_index("size")["n_layers"]
    assert found[0.4] == 8
    assert found[0.2] == 9


def test_two_layers_are_no_curve(swept: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    table, best = (frame.assign(engine="transformers") for frame in swept)
    said = cells()
    assert reply_agreement(table, best, said[said["layer"] < 2]).empty


def test_without_a_sweep_of_the_same_speaker_there_is_nothing_to_compare(
    swept: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    table, best = (frame.assign(engine="transformers") for frame in swept)
    assert reply_agreement(table, best, cells(behavior="concise")).empty
    assert reply_agreement(table, pd.concat([best, best]), cells()).empty
