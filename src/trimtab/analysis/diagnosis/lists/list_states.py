"""The states of two lists of examples at every layer: where their diagnosis starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.errors import DataError
from trimtab.stats.bootstrap import Array

LIST_COLUMNS = ("prompt_id", "text", "tokens")
"""What is known of an example: its name, unique in both lists; all that it says; and the tokens of what it says."""


@dataclass(frozen=True, eq=False)
class ListStates:
    """One state for each example of two lists, at every layer.

    Raises:
        DataError: When the parts do not fit each other, a list is empty, or a state is not a finite number.
    """

    states: NDArray[np.float32]
    """[examples, n_layers, d_model]; where every token was read, their mean."""
    positive: NDArray[np.bool_]
    """Which examples are in the positive list: [examples]."""
    weight: NDArray[np.float64]
    """Weight of each example in its list's mean, such as its number of tokens where every token counts: [examples]."""
    residual_norm: NDArray[np.float64]
    """Mean norm of the states: [n_layers]."""
    examples: pd.DataFrame
    """A row for each example, with `LIST_COLUMNS`."""

    def __post_init__(self) -> None:
        """Refuse what does not fit."""
        if problems := _problems(self):
            raise DataError([f"states of two lists: {problem}" for problem in problems])

    @property
    def n_examples(self) -> int:
        """How many examples both lists have together."""
        return len(self.examples)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many examples the positive and the negative list have."""
        return int(self.positive.sum()), int((~self.positive).sum())

    @property
    def n_layers(self) -> int:
        """How many layers there are."""
        return int(self.states.shape[1])

    @property
    def depth(self) -> Array:
        """Depth of each layer: [n_layers]."""
        return np.arange(1, self.n_layers + 1, dtype=np.float64) / self.n_layers

    @property
    def side(self) -> Array:
        """+1 for examples of the positive list, −1 for those of the negative one: [examples]."""
        return np.where(self.positive, 1.0, -1.0)

    def centred_at(self, layer: int) -> Array:
        """States at a layer about the middle of both lists' means, which no difference depends on: [n, d_model]."""
        states = self.states[:, layer].astype(np.float64)
        means = [
            np.average(states[side], axis=0, weights=self.weight[side]) for side in (self.positive, ~self.positive)
        ]
        return np.asarray(states - (means[0] + means[1]) / 2)

    def vector(self, layer: int) -> Array:
        """Difference of the lists' means, which is the vector that extraction by `mean` gives: [d_model]."""
        return np.asarray(coefficients(self, np.ones((1, self.n_examples)))[0] @ self.centred_at(layer))


def coefficients(d: ListStates, chosen: Array) -> Array:
    """Coefficients of the examples in the difference of the means of chosen ones: [draws, examples].

    Args:
        d: The states.
        chosen: How often each example is in each draw: [draws, examples].

    Returns:
        NaN for draws that have no example of one list.
    """
    found = np.zeros(chosen.shape)
    for side, sign in ((d.positive, 1.0), (~d.positive, -1.0)):
        weight = chosen * d.weight * side
        total = weight.sum(axis=1, keepdims=True)
        found += sign * np.divide(weight, total, out=np.full_like(weight, np.nan), where=total > 0)
    return found


def _problems(found: ListStates) -> list[str]:
    """What does not fit, in words."""
    if missing := [name for name in LIST_COLUMNS if name not in found.examples.columns]:
        return [f"the table of examples lacks the columns {', '.join(missing)}"]
    if found.states.ndim != 3 or not found.states.size:
        return [f"states are [examples, n_layers, d_model]; these are {list(found.states.shape)}"]
    rows, n_layers, _ = found.states.shape
    lengths = {"positive": len(found.positive), "weight": len(found.weight), "examples": len(found.examples)}
    problems = [f"{rows} examples, but {n} entries in {name}" for name, n in lengths.items() if n != rows]
    if len(found.residual_norm) != n_layers:
        problems.append(f"{n_layers} layers, but {len(found.residual_norm)} residual norms")
    if problems:
        return problems
    if found.positive.all() or not found.positive.any():
        problems.append("one of the lists is empty")
    if not (found.weight > 0).all():
        problems.append("an example's weight must be above 0; leave out what does not count")
    if found.examples["prompt_id"].duplicated().any():
        problems.append("two examples have the same name")
    if not np.isfinite(found.states.sum(dtype=np.float64)):
        broken = [i for i, state in enumerate(found.states) if not np.isfinite(state).all()]
        names = ", ".join(str(found.examples["prompt_id"].iloc[i]) for i in broken[:5])
        problems.append(
            f"{len(broken)} examples have states that are not finite numbers ({names}); "
            "load the model in float32 or bfloat16, as float16 overflows"
        )
    return problems
