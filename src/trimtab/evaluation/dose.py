"""How far a push moves a model at all: the KL divergence of what it would say on neutral prompts.

The same strength moves one layer, model or method more than another. At the same dose they can be compared: what a
vector does to its behavior, for what it does to everything.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import torch

from trimtab.analysis import DOSE
from trimtab.data import NEUTRAL_PROMPTS
from trimtab.engines import Model, Request, Text
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation.grid import Cell, Grid
from trimtab.steering import Intervention, require_fit
from trimtab.vectors import SteeringVector

TOKENS = 8
FIRST_GUESS, LARGEST = 0.1, 4.0
"""Relative strengths: a push of four times the residual stream leaves nothing of it."""
FACTOR = 4.0
"""Furthest step from a known strength to an unknown one."""
CLOSE = 0.05
"""Calibrated cells are within this share of the wanted divergence."""
ROUNDS = 10


def neutral_texts(model: Model, prompts: Sequence[str] = NEUTRAL_PROMPTS, tokens: int = TOKENS) -> list[Text]:
    """Neutral prompts with the first tokens of what the unsteered model answers, at which divergences are read."""
    requests = [Request(model.tokens(prompt), max_new_tokens=tokens) for prompt in prompts]
    replies = dict(model.replies(requests))
    # A model that ends at once has nothing to be followed on.
    return [
        Text((*request.prompt, *replies[i].tokens), len(request.prompt))
        for i, request in enumerate(requests)
        if replies[i].tokens
    ]


def divergences(model: Model, texts: Sequence[Text], cells: Sequence[Intervention]) -> list[float]:
    """Mean KL divergence of each cell from the unsteered model in nats per token, texts weighing alike.

    Raises:
        SettingError: when there is no text.
    """
    if not texts:
        raise SettingError("the model ends its answer to every neutral prompt at once: nothing to compare it on")
    sums = torch.zeros(len(cells), dtype=torch.float64)
    for found in model.follow(texts, cells):
        sums += found.divergence.double().sum(1)
    means: list[float] = (sums / len(texts)).tolist()
    return means


def dose(model: Model, vectors: SteeringVector, grid: Grid, behavior: str, texts: Sequence[Text]) -> pd.DataFrame:
    """How far each cell of a grid moves the model: a table with the columns of `trimtab.analysis.DOSE`.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        grid: the cells.
        behavior: name for the table.
        texts: from `neutral_texts`.

    Raises:
        VectorError: when the vectors are for a model of another shape.
    """
    require_fit(vectors, model.backbone)
    found = divergences(model, texts, grid.interventions(vectors))
    rows = []
    for (layers, strength), kl in zip(grid.steered, found, strict=True):
        relative, alpha = _lengths(grid, vectors, (layers, strength))
        rows.append(
            {
                "model": model.name, "behavior": behavior, "engine": model.engine.name, "layer": layers[0],
                "layers": "+".join(map(str, layers)), "depth": (layers[0] + 1) / model.facts.layers,
                "scale": grid.scale, "strength": strength, "positions": grid.positions, "kl": kl,
                "relative": relative, "alpha": alpha,
            }
        )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(DOSE)).astype({"layer": "int32"})
    return table


def _lengths(grid: Grid, vectors: SteeringVector, cell: Cell) -> tuple[float, float]:
    """A cell's strength relative to the residual stream, and in units of the vector; NaN where the scale has none."""
    if grid.scale not in ("raw", "relative", "kl"):
        return math.nan, math.nan
    push = grid.at(vectors, cell)
    ratios = [float(v.norm() / vectors.residual_norm[layer]) for layer, v in push.directions.items()]
    if push.scale == "raw":
        return sum(push.strength * ratio for ratio in ratios) / len(ratios), push.strength
    return push.strength, sum(push.strength / ratio for ratio in ratios) / len(ratios)


@dataclass
class _Search:
    """What is known of one cell on the way to its strength: (relative strength, divergence)."""

    target: float
    known: list[tuple[float, float]] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, float]:
        return min(self.known, key=lambda point: abs(math.log(max(point[1], 1e-12) / self.target)))

    @property
    def done(self) -> bool:
        return bool(self.known) and (abs(self.best[1] / self.target - 1) <= CLOSE or self.out_of_reach)

    @property
    def out_of_reach(self) -> bool:
        return all(kl < self.target for _, kl in self.known) and self.known[-1][0] >= LARGEST

    def guess(self) -> float:
        """The next strength to try: between the nearest below and above, else by the square law of small pushes."""
        if not self.known:
            return FIRST_GUESS
        above = min((point for point in self.known if point[1] >= self.target), default=None)
        below = max((p for p in self.known if p[1] < self.target and (above is None or p < above)), default=None)
        if above is None or below is None:
            alpha, kl = above or below or (FIRST_GUESS, self.target)
            step = math.sqrt(self.target / max(kl, 1e-12))
            return min(alpha * min(max(step, 1 / FACTOR), FACTOR), LARGEST)
        # A straight line in logarithms, kept off its ends so that every step narrows the bracket.
        (a, low), (b, high) = below, above
        share = math.log(self.target / max(low, 1e-12)) / math.log(high / max(low, 1e-12))
        return float(a * (b / a) ** min(max(share, 0.1), 0.9))


def calibrated(model: Model, vectors: SteeringVector, grid: Grid, texts: Sequence[Text]) -> Grid:
    """A grid of scale `kl` with the relative strength of each cell found.

    A cell's strength says how far it is to move the model, in nats, and its sign in which direction. The smallest push
    that does is looked for, to within 5%, all cells in one pass each time.

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
    if grid.scale != "kl":
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
    require_fit(vectors, model.backbone)
    searches = {cell: _Search(abs(cell[1])) for cell in cells}
    for _ in range(ROUNDS):
        open_ = [cell for cell in cells if not searches[cell].done]
        if not open_:
            break
        tried = {cell: math.copysign(searches[cell].guess(), cell[1]) for cell in open_}
        interventions = replace(grid, alphas=tried).interventions(vectors)
        for cell, kl in zip(open_, divergences(model, texts, interventions), strict=True):
            searches[cell].known.append((abs(tried[cell]), kl))
    return {c: math.copysign(s.best[0], c[1]) for c, s in searches.items() if abs(s.best[1] / s.target - 1) <= CLOSE}


def warn_of_missing(cells: Sequence[Cell]) -> None:
    """Say which cells are left out."""
    if cells:
        warnings.warn(f"{_out_of_reach(cells)}; these cells are left out", TrimtabWarning, stacklevel=3)


def _out_of_reach(cells: Sequence[Cell]) -> str:
    named = ", ".join(f"layer {'+'.join(map(str, layers))} at {strength:g}" for layers, strength in cells[:5])
    more = f" and {len(cells) - 5} more" if len(cells) > 5 else ""
    return f"no push moves the model by the KL divergence asked for in {named}{more}"
