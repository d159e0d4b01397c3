"""Heuristics for the layer, without a sweep: numbers of each layer from the differences alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis.diagnosis._near_duplicates import near_groups
from trimtab.analysis.diagnosis._probe import Probed, make_flips, make_folds, probe
from trimtab.analysis.diagnosis.differences import PairDifferences
from trimtab.errors import SettingError
from trimtab.stats.bootstrap import LEVEL, Array

COMPONENTS = 10
"""Principal components that are listed."""
SPECTRUM_SHARE = 0.8
"""`components_80`: the number of components that hold this share of the variance."""

HEURISTICS = (
    "layer", "depth", "pairs", "relative_magnitude", *(f"pc{k + 1}" for k in range(COMPONENTS)), "components_80",
    "probe_accuracy", "probe_low", "probe_high", "probe_null", "probe_null_high", "probe_p", "probe_p_max",
    "adjacent_cosine",
)  # fmt: skip


def layer_heuristics(d: PairDifferences, *, folds: int = 5, permutations: int = 200, seed: int = 0) -> pd.DataFrame:
    """What is used in the field to guess a layer, for every layer, from letter-free differences.

    - `relative_magnitude`: length of the vector over the mean norm of the states.
    - `pc1` … `pc10`: share of the differences' summed squared length along each principal component, the states of a
      pair about their own centre (as for the method `pca`); `components_80`: how many hold 80%.
    - `probe_accuracy`: share of held-out pairs that a logistic probe puts the right way round (`probe.probe`), with
      Wilson's 95% interval `probe_low` to `probe_high`. Pairs nearly the same, or with nearly the same prompt, are in
      one fold. `probe_null`: its mean over `permutations` random labellings, fitted anew; `probe_null_high`: what 95%
      of them stay below; `probe_p`: the share that is as good; `probe_p_max`: the share whose *best* layer is as good,
      which is the p to read after looking for the best layer (Westfall & Young 1993, section 2.2).
    - `adjacent_cosine`: cosine of the vector with that of the next layer.

    Args:
        d: The differences.
        folds: Parts of the cross-validation; fewer where there are fewer pairs that differ.
        permutations: Random labellings; p is never below 1 / (1 + permutations).
        seed: Of folds and labellings.

    Returns:
        The columns `HEURISTICS`, a row for each layer. NaN where a number does not exist: components beyond the number
        of pairs, the probe with fewer than two different pairs, the last layer's neighbour, and everything where all
        rows have one label, as nothing then tells the letter from the behavior.

    Raises:
        SettingError: For fewer than two folds, or no permutation.
    """
    if folds < 2 or permutations < 1:
        raise SettingError(f"{folds} folds and {permutations} permutations: use at least 2 folds and 1 permutation")
    table = pd.DataFrame({"layer": range(d.n_layers), "depth": d.depth, "pairs": d.n_pairs})
    if not d.letter_hides_all:
        rows = [_spectrum(d.balanced_at(layer)) for layer in range(d.n_layers)]
        vectors = np.stack([d.pair_weight @ d.balanced_at(layer) / d.weight.sum() for layer in range(d.n_layers)])
        norms = np.linalg.norm(vectors, axis=1)
        table = pd.concat([table, pd.DataFrame(rows), _probes(d, folds, permutations, seed)], axis=1)
        table = table.assign(relative_magnitude=norms / d.residual_norm, adjacent_cosine=next_cosines(vectors, norms))
    result: pd.DataFrame = table.reindex(columns=list(HEURISTICS))
    return result


def _spectrum(balanced: Array) -> dict[str, float]:
    """Shares of the components, largest first, and how many hold most."""
    small = balanced @ balanced.T if len(balanced) <= balanced.shape[1] else balanced.T @ balanced
    values = np.maximum(np.linalg.eigvalsh(small)[::-1], 0.0)
    total = float(values.sum())
    if not total > 0:
        return {}
    shares = values / total
    found = {f"pc{k + 1}": float(share) for k, share in enumerate(shares[:COMPONENTS])}
    # The last sum is 1 but for rounding, so that the search always ends.
    return found | {"components_80": float(np.argmax(np.cumsum(shares) >= SPECTRUM_SHARE - 1e-9) + 1)}


def next_cosines(vectors: Array, norms: Array) -> Array:
    """Cosine of each vector with the next; NaN at the last and where one has no direction: [n_layers]."""
    found = np.full(len(vectors), np.nan)
    lengths = norms[:-1] * norms[1:]
    np.divide((vectors[:-1] * vectors[1:]).sum(1), lengths, out=found[:-1], where=lengths > 0)
    return found


def _probes(d: PairDifferences, folds: int, permutations: int, seed: int) -> pd.DataFrame:
    """The probe's columns, a row for each layer; no columns where there is nothing to hold out."""
    groups = near_groups(d)
    none: pd.DataFrame = pd.DataFrame(index=range(d.n_layers))
    if groups.max() < 1:
        return none
    rng = np.random.default_rng(seed)
    fold_of, flips = make_folds(groups, folds, rng), make_flips(groups, permutations, rng)
    probed = [probe(d, layer, fold_of, groups, flips) for layer in range(d.n_layers)]
    best = np.max([found.accuracy[1:] for found in probed], axis=0)
    table: pd.DataFrame = pd.DataFrame([_columns(found, best) for found in probed])
    return table


def _columns(found: Probed, best: Array) -> dict[str, float]:
    observed, null = float(found.accuracy[0]), found.accuracy[1:]
    return {
        "probe_accuracy": observed,
        "probe_low": found.low,
        "probe_high": found.high,
        "probe_null": float(null.mean()),
        "probe_null_high": float(np.quantile(null, LEVEL)),
        "probe_p": share_reaching(null, observed),
        "probe_p_max": share_reaching(best, observed),
    }


def share_reaching(null: Array, observed: float) -> float:
    """Share of labellings at least as good, the true one counted with them."""
    # Sums of weights in another order must not lose a tie.
    return float((1 + (null >= observed - 1e-9).sum()) / (1 + len(null)))
