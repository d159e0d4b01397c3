"""The dose of a steering setting: the KL divergence from the unsteered model on neutral prompts.

The same strength moves one layer, model or method more than another. At the same dose they can be compared: the
effect on the behavior for the effect on everything.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import torch

from trimtab._util.callbacks import Progress
from trimtab.analysis import DOSE
from trimtab.data import NEUTRAL_PROMPTS
from trimtab.engines import Model, Request
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation.grid import Grid
from trimtab.models import Text
from trimtab.steering import SCALES, Cell, Intervention, require_fit
from trimtab.vectors import SteeringVector, with_residual_norms

TOKENS = 8
FIRST_GUESS, MAX_STRENGTH = 0.1, 4.0
"""Relative strengths: a push of four times the residual stream leaves nothing of it."""
MAX_STEP_FACTOR = 4.0
"""Largest step from a known strength to an unknown one."""
TOLERANCE = 0.05
"""Calibrated cells are within this share of the target divergence."""
ROUNDS = 10


def neutral_texts(model: Model, prompts: Sequence[str] = NEUTRAL_PROMPTS, tokens: int = TOKENS) -> list[Text]:
    """Neutral prompts with the first tokens of the unsteered model's replies, at which divergences are measured."""
    requests = [Request(model.tokens(prompt), max_new_tokens=tokens) for prompt in prompts]
    replies = dict(model.replies(requests))
    # Where the model ends at once there is no token to measure at.
    return [
        Text((*request.prompt, *replies[i].tokens), len(request.prompt))
        for i, request in enumerate(requests)
        if replies[i].tokens
    ]


def divergences(
    model: Model, texts: Sequence[Text], cells: Sequence[Intervention], progress: Progress | None = None
) -> list[float]:
    """Mean KL divergence of each cell from the unsteered model in nats per token, texts weighing alike.

    Behind a gate on the prompt that none of the texts opens it is 0.

    Args:
        model: from `trimtab.load`.
        texts: from `neutral_texts`.
        cells: what steers.
        progress: called with (texts done, texts in all).

    Raises:
        SettingError: when there is no text.
    """
    if not texts:
        raise SettingError("the model ends its answer to every neutral prompt at once: nothing to compare it on")
    sums, done = torch.zeros(len(cells), dtype=torch.float64), 0
    # Few conditions hold at neutral prompts: a dose of 0 is what they are made for.
    for found in model.score_texts(texts, cells, warn_if_shut=False):
        sums += found.divergence.double().sum(1)
        done += len(found.indices)
        if progress:
            progress(done, len(texts))
    means: list[float] = (sums / len(texts)).tolist()
    return means


def dose(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    behavior: str,
    texts: Sequence[Text],
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Dose of each cell of a grid: a table with the columns of `trimtab.analysis.DOSE`.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        grid: the cells.
        behavior: name for the table.
        texts: from `neutral_texts`.
        progress: called with (texts done, texts in all).

    Raises:
        VectorError: when the vectors are for a model of another shape.
    """
    vectors = with_residual_norms(require_fit(vectors, model.backbone), model)
    found = divergences(model, texts, grid.interventions(vectors), progress)
    rows = []
    for cell, kl in zip(grid.steered, found, strict=True):
        relative, alpha = _lengths(grid, vectors, cell)
        rows.append(
            {
                "model": model.name, "behavior": behavior, "engine": model.engine.name,
                **cell.columns(model.facts.layers), "scale": grid.scale, "positions": grid.positions, "kl": kl,
                "relative": relative, "alpha": alpha,
            }
        )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(DOSE)).astype({"layer": "int32"})
    return table


def _lengths(grid: Grid, vectors: SteeringVector, cell: Cell) -> tuple[float, float]:
    """A cell's strength relative to the residual stream, and in units of the vector; NaN where the scale has none."""
    push = grid.intervention(vectors, cell)
    if push.scaling.length is None:
        return math.nan, math.nan
    norms = vectors.require_residual_norm()
    ratios = [float(v.norm() / norms[layer]) for layer, v in push.directions.items()]
    if push.scaling.length == "vector":
        return sum(push.strength * ratio for ratio in ratios) / len(ratios), push.strength
    return push.strength, sum(push.strength / ratio for ratio in ratios) / len(ratios)


@dataclass
class _Search:
    """The search for one cell's strength, with its measurements so far: (relative strength, divergence)."""

    target: float
    known: list[tuple[float, float]] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, float]:
        return min(self.known, key=lambda point: abs(math.log(max(point[1], 1e-12) / self.target)))

    @property
    def done(self) -> bool:
        return bool(self.known) and (abs(self.best[1] / self.target - 1) <= TOLERANCE or self.out_of_reach)

    @property
    def out_of_reach(self) -> bool:
        return all(kl < self.target for _, kl in self.known) and self.known[-1][0] >= MAX_STRENGTH

    def guess(self) -> float:
        """The next strength to try: between the nearest below and above, else by the square law of small pushes."""
        if not self.known:
            return FIRST_GUESS
        above = min((point for point in self.known if point[1] >= self.target), default=None)
        below = max((p for p in self.known if p[1] < self.target and (above is None or p < above)), default=None)
        if above is None or below is None:
            alpha, kl = above or below or (FIRST_GUESS, self.target)
            step = math.sqrt(self.target / max(kl, 1e-12))
            return min(alpha * min(max(step, 1 / MAX_STEP_FACTOR), MAX_STEP_FACTOR), MAX_STRENGTH)
        # A straight line in logarithms, kept off its ends so that every step narrows the bracket.
        (a, low), (b, high) = below, above
        share = math.log(self.target / max(low, 1e-12)) / math.log(high / max(low, 1e-12))
        return float(a * (b / a) ** min(max(share, 0.1), 0.9))


def calibrated(model: Model, vectors: SteeringVector, grid: Grid, texts: Sequence[Text]) -> Grid:
    """A grid of scale `kl` with the relative strength of each cell found.

    A cell's strength is its target dose in nats, its sign the direction. The smallest push that reaches it is found to
    within 5%, all cells in one pass for each step of the search.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        grid: cells with the scale `kl`.
        texts: from `neutral_texts`.

    Warns:
        TrimtabWarning: when no push of up to four times the residual stream moves the model so far; such cells are
            left out.

    Raises:
        SettingError: when the scale is another, or no cell can be calibrated.
        VectorError: when the vectors are for a model of another shape.
    """
    if not SCALES.get(grid.scale).in_nats:
        raise SettingError(f"strengths of scale {grid.scale} are given, not calibrated; use the scale kl")
    cells = replace(grid, alphas=None).steered
    found = find_strengths(model, vectors, grid, cells, texts)
    if not found:
        raise SettingError(f"{_out_of_reach(cells)}; ask for less, such as 0.1")
    warn_of_missing([cell for cell in cells if cell not in found])
    return replace(grid, alphas=found)


def find_strengths(
    model: Model, vectors: SteeringVector, grid: Grid, cells: Sequence[Cell], texts: Sequence[Text]
) -> dict[Cell, float]:
    """The relative strengths of some cells of a grid of scale `kl`, without those that are out of reach.

    Raises:
        VectorError: when the vectors are for a model of another shape.
    """
    vectors = require_fit(vectors, model.backbone)
    searches = {cell: _Search(abs(cell.strength)) for cell in cells}
    for _ in range(ROUNDS):
        open_ = [cell for cell in cells if not searches[cell].done]
        if not open_:
            break
        tried = {cell: math.copysign(searches[cell].guess(), cell.strength) for cell in open_}
        interventions = replace(grid, alphas=tried).interventions(vectors)
        for cell, kl in zip(open_, divergences(model, texts, interventions), strict=True):
            searches[cell].known.append((abs(tried[cell]), kl))
    return {
        c: math.copysign(s.best[0], c.strength)
        for c, s in searches.items()
        if abs(s.best[1] / s.target - 1) <= TOLERANCE
    }


def warn_of_missing(cells: Sequence[Cell]) -> None:
    """Warn of cells that are left out."""
    if cells:
        warnings.warn(f"{_out_of_reach(cells)}; these cells are left out", TrimtabWarning, stacklevel=3)


def _out_of_reach(cells: Sequence[Cell]) -> str:
    named = ", ".join(f"layer {cell.layers_label} at {cell.strength:g}" for cell in cells[:5])
    more = f" and {len(cells) - 5} more" if len(cells) > 5 else ""
    return f"no push moves the model by the KL divergence asked for in {named}{more}"
