"""The differences of a behavior's pairs at every layer, letter-balanced: where every diagnosis starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.errors import DataError
from trimtab.stats.bootstrap import Array

PAIR_COLUMNS = (
    "prompt_id", "prompt", "positive", "negative", "label", "positive_tokens", "negative_tokens", "positive_first",
    "negative_first",
)  # fmt: skip
"""What is known of a pair: its texts, the label of the positive answer ("" if it has none), how many tokens its
completions have and the first token of each as text. Of a contrast between prompts, `prompt` is what both sides ask
alike, and a column `around` more has what the sides put around it ("" where
that is the same)."""

EVEN = 1e-9
"""Weights whose signs add up to less than this, relative to their sum, are even but for rounding."""

DEEP = 1 / 3
"""Depth from which on layers say what a pair is about. Before it, differences are still mostly the tokens' own."""


@dataclass(frozen=True, eq=False)
class PairDifferences:
    """Positive minus negative states of every pair as shown, at every layer.

    Raises:
        DataError: When the parts do not fit each other, or a difference is not a finite number.
    """

    difference: NDArray[np.float32]
    """[rows, n_layers, d_model]; a choice pair shown in both option orders has two rows, the order given first."""
    pair: NDArray[np.int64]
    """Which pair a row shows, 0 … n_pairs−1: [rows]."""
    weight: NDArray[np.float64]
    """Weight in means: [rows], adding up to n_pairs."""
    sign: NDArray[np.float64]
    """+1 where the positive answer is the first letter or word, −1 where it is the other, 0 without a label: [rows]."""
    residual_norm: NDArray[np.float64]
    """Mean norm of the states: [n_layers]."""
    pairs: pd.DataFrame
    """A row for each pair number, with `PAIR_COLUMNS`."""
    spelled: bool = False
    """Whether the labels are those that completions of open pairs begin with, and not of choices."""
    sides: Literal["completions", "prompts"] = "completions"
    """What the texts of `pairs` and their lengths are of: of prompts alone there are no first tokens and labels."""

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise DataError([f"pair differences: {problem}" for problem in problems])

    @property
    def n_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.pairs)

    @property
    def side(self) -> str:
        """What one side of a pair is called in sentences."""
        return self.sides.removesuffix("s")

    @property
    def n_layers(self) -> int:
        """How many layers there are."""
        return int(self.difference.shape[1])

    @property
    def depth(self) -> Array:
        """Depth of each layer: [n_layers]."""
        return np.arange(1, self.n_layers + 1, dtype=np.float64) / self.n_layers

    @property
    def first_row(self) -> NDArray[np.int64]:
        """The row that shows a pair as it was given: [n_pairs]."""
        return np.unique(self.pair, return_index=True)[1].astype(np.int64)

    @property
    def strata(self) -> NDArray[np.float64]:
        """Sign of each pair as it was given: what half splits are stratified by, [n_pairs]."""
        return self.sign[self.first_row]

    @property
    def pair_weight(self) -> NDArray[np.float64]:
        """Weight of each pair: 1, except where answer words are evened out; [n_pairs]."""
        return np.asarray(np.bincount(self.pair, self.weight), dtype=np.float64)

    @property
    def letter_hides_all(self) -> bool:
        """Whether every row has the same label, so that no calculation can tell the label from the behavior."""
        return bool((self.sign == self.sign[0]).all() and self.sign[0] != 0)

    @property
    def lean(self) -> float:
        """Weighted mean of the signs: 0 where both labels count alike."""
        return float((self.weight * self.sign).sum() / self.weight.sum())

    def letter_axis(self, layer: int) -> Array:
        """What the label adds to a difference: slope of the differences over the signs, [d_model].

        Where both labels count alike it is half the mean difference between rows of the one and of the other. Where
        only one occurs it is the mean difference itself.
        """
        vector, varies = self.vector(layer), float(self.weight @ self.sign**2 / self.weight.sum()) - self.lean**2
        if varies < EVEN:
            return np.asarray(self.lean * vector)
        signed = (self.weight * self.sign) @ self.difference[:, layer].astype(np.float64) / self.weight.sum()
        return np.asarray((signed - self.lean * vector) / varies)

    def vector(self, layer: int) -> Array:
        """The weighted mean of the rows, which is the vector that extraction by `mean` gives: [d_model]."""
        return np.asarray(self.weight @ self.difference[:, layer].astype(np.float64) / self.weight.sum())

    def balanced_at(self, layer: int) -> Array:
        """One letter-balanced difference for each pair at one layer: [n_pairs, d_model].

        The maths of extraction: the weighted mean of a pair's rows, less what the letter explains of the difference
        between pairs. Pairs seen in both orders lean to no letter. Weighted as the pairs are, their mean is `vector`;
        of spelled labels all is taken away that the label explains, as if both were positive equally often.
        """
        order = np.argsort(self.pair, kind="stable")
        starts = np.searchsorted(self.pair[order], np.arange(self.n_pairs))
        weighted = self.weight[:, None] * self.difference[:, layer].astype(np.float64)
        total = self.pair_weight[:, None]
        kept = 0.0 if self.spelled and not self.letter_hides_all else self.lean
        away = np.bincount(self.pair, self.weight * self.sign)[:, None] / total - kept
        return np.asarray(np.add.reduceat(weighted[order], starts) / total - away * self.letter_axis(layer))

    def balanced(self) -> NDArray[np.float32]:
        """One letter-balanced difference for each pair at every layer: [n_pairs, n_layers, d_model]."""
        return np.stack([self.balanced_at(layer).astype(np.float32) for layer in range(self.n_layers)], axis=1)


def _problems(found: PairDifferences) -> list[str]:
    """What does not fit, in words."""
    missing = [name for name in PAIR_COLUMNS if name not in found.pairs.columns]
    if missing:
        return [f"the table of pairs lacks the columns {', '.join(missing)}"]
    if found.difference.ndim != 3 or not found.difference.size:
        return [f"differences are [rows, n_layers, d_model]; these are {list(found.difference.shape)}"]
    rows, n_layers, _ = found.difference.shape
    lengths = {"pair": len(found.pair), "weight": len(found.weight), "sign": len(found.sign)}
    problems = [f"{rows} rows, but {n} entries in {name}" for name, n in lengths.items() if n != rows]
    if len(found.residual_norm) != n_layers:
        problems.append(f"{n_layers} layers, but {len(found.residual_norm)} residual norms")
    if not (found.weight > 0).all():
        problems.append("a row's weight must be above 0; leave rows out that do not count")
    if set(found.pair.tolist()) != set(range(len(found.pairs))):
        problems.append(f"rows must show each of the {len(found.pairs)} pairs of the table, numbered from 0")
    if problems:
        return problems
    # A sum is finite only if every number is, and needs no copy of them.
    if not np.isfinite(found.difference.sum(dtype=np.float64)):
        broken = sorted({int(found.pair[i]) for i, row in enumerate(found.difference) if not np.isfinite(row).all()})
        names = ", ".join(str(found.pairs["prompt_id"].iloc[number]) for number in broken[:5])
        problems.append(
            f"{len(broken)} of the pairs have states that are not finite numbers ({names}); "
            "load the model in float32 or bfloat16, as float16 overflows"
        )
    return problems
