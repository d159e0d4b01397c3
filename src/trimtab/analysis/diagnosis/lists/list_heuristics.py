"""Heuristics for the layer of a vector between two lists, without a sweep."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis.diagnosis._near_duplicates import SAME_TEXT, joined, similarity
from trimtab.analysis.diagnosis.heuristics import HEURISTICS, next_cosines, share_reaching
from trimtab.analysis.diagnosis.lists._list_probe import list_folds, list_labels, probe_scores, shares_in_order
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.errors import SettingError
from trimtab.stats.bootstrap import LEVEL, Array
from trimtab.stats.detection import auroc_with_interval


def list_heuristics(
    d: ListStates, *, folds: int = 5, permutations: int = 200, draws: int = 500, seed: int = 0
) -> pd.DataFrame:
    """What is used in the field to guess a layer, for every layer of two lists.

    - `relative_magnitude`: length of the vector over the mean norm of the states.
    - `probe_accuracy`: share of couples, one example of each list, that a logistic probe puts in the right order
      without having seen either (AUROC), with the interval `probe_low` to `probe_high` of examples resampled in each
      list. Texts nearly the same are in one fold. The other columns of the probe are as for pairs (`layer_heuristics`),
      random labels being lists of the same lengths drawn from all examples.
    - `adjacent_cosine`: cosine of the vector with that of the next layer.

    Args:
        d: The states.
        folds: Parts of the cross-validation.
        permutations: Random labellings; p is never below 1 / (1 + permutations).
        draws: Resamples of the interval.
        seed: Of folds, labellings and resamples.

    Returns:
        The columns of `layer_heuristics`, a row for each layer; `pairs` is the number of examples of both lists. NaN
        for the principal components of differences, which need pairs, and for the probe where a list has fewer than
        two different texts.

    Raises:
        SettingError: For fewer than two folds, or no permutation.
    """
    if folds < 2 or permutations < 1:
        raise SettingError(f"{folds} folds and {permutations} permutations: use at least 2 folds and 1 permutation")
    vectors = np.stack([d.vector(layer) for layer in range(d.n_layers)])
    norms = np.linalg.norm(vectors, axis=1)
    table = pd.DataFrame({"layer": range(d.n_layers), "depth": d.depth, "pairs": d.n_examples})
    table = table.assign(relative_magnitude=norms / d.residual_norm, adjacent_cosine=next_cosines(vectors, norms))
    table = pd.concat([table, _probes(d, folds, permutations, draws, seed)], axis=1)
    result: pd.DataFrame = table.reindex(columns=list(HEURISTICS))
    return result


def _probes(d: ListStates, folds: int, permutations: int, draws: int, seed: int) -> pd.DataFrame:
    """The probe's columns, a row for each layer; no columns where there is nothing to hold out."""
    groups = joined(similarity(d.examples["text"].astype(str).tolist()) >= SAME_TEXT)
    none: pd.DataFrame = pd.DataFrame(index=range(d.n_layers))
    if min(len(np.unique(groups[side])) for side in (d.positive, ~d.positive)) < 2:
        return none
    rng = np.random.default_rng(seed)
    fold_of, labels = list_folds(d, groups, folds, rng), list_labels(d, groups, permutations, rng)
    scores = [probe_scores(d, layer, fold_of, labels) for layer in range(d.n_layers)]
    shares = [shares_in_order(score, labels) for score in scores]
    best = np.nanmax([share[1:] for share in shares], axis=0)
    rows = []
    for score, share in zip(scores, shares, strict=True):
        _, low, high = auroc_with_interval(score[:, 0], d.positive, groups.tolist(), draws=draws, seed=seed)
        rows.append(_columns(share, low, high, best))
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _columns(share: Array, low: float, high: float, best: Array) -> dict[str, float]:
    observed, null = float(share[0]), share[1:]
    return {
        "probe_accuracy": observed,
        "probe_low": low,
        "probe_high": high,
        "probe_null": float(null.mean()),
        "probe_null_high": float(np.quantile(null, LEVEL)),
        "probe_p": share_reaching(null, observed),
        "probe_p_max": share_reaching(best, observed),
    }
