"""Arms that push along a vector: at the setting that does most on the prompts that choose, and at a given dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis.baselines.arm_names import BEST, CANDIDATE, EQUAL_DOSE, ArmKind
from trimtab.analysis.baselines.choosing import choosing_effects, ranked_cells, toward
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm, Push, arm_samples
from trimtab.evaluation.dose import find_strengths
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.sweeping import shown_rows, sweep_batches
from trimtab.models import Text
from trimtab.vectors import SteeringVector

LAYERS_AT_DOSE = 3
"""Layers that are tried at a given dose: those that do most on the prompts that choose."""
MIN_DOSE = 1e-4
"""Doses below this, in nats, are none: no push is calibrated to them."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A vector and the settings to choose from."""

    name: str
    kind: ArmKind
    vector: SteeringVector
    grid: Grid
    """The cells to choose from."""


@dataclass(frozen=True)
class Choosing:
    """What settings are chosen on."""

    select: Behavior
    scoring: Scoring
    balance: Balance
    seed: int


def candidate_samples(model: Model, candidate: Candidate, choosing: Choosing) -> pd.DataFrame:
    """Scores of the prompts that choose in every cell of a vector's grid, unsteered rows included."""
    rows = shown_rows([("select", choosing.select)], choosing.scoring, choosing.balance, choosing.seed)
    frames = sweep_batches(model, candidate.vector, rows, candidate.grid, choosing.scoring, choosing.select.name)
    table: pd.DataFrame = pd.concat([frame for _, frame in frames], ignore_index=True)
    return table


def best_arms(candidate: Candidate, samples: pd.DataFrame) -> list[Arm]:
    """The vector at the cell that does most on the prompts that choose, at each sign that was tried.

    Args:
        candidate: The vector and its cells.
        samples: Its scores on these prompts, from `candidate_samples` or a study's sweep.
    """
    ranked = ranked_cells(samples)
    if not ranked:
        return []
    size = float(ranked[0]["strength"])
    found = []
    for side in ("for", "against"):
        cells = [
            cell
            for cell in candidate.grid.steered
            if cell.layers_label == str(ranked[0]["layers"]) and cell.strength == toward(side) * size
        ]
        for cell in cells:
            grid = replace(candidate.grid, layers=(cell.layers,), strengths=(cell.strength,))
            found.append(Arm(candidate.name, candidate.kind, side, BEST, push=Push(candidate.vector, grid)))
    return found


def dosed_arms(
    model: Model,
    candidate: Candidate,
    samples: pd.DataFrame,
    doses: Mapping[str, float],
    texts: Sequence[Text],
    choosing: Choosing,
) -> list[Arm]:
    """The vector at given doses: each side at the layer, of a few, that does most there on the prompts that choose.

    Args:
        model: From `trimtab.load`.
        candidate: The vector and its cells; their strengths do not matter.
        samples: Its scores on the prompts that choose, which rank the layers.
        doses: Nats by side; a side without one, or with none to speak of, gets no arm.
        texts: From `neutral_texts`.
        choosing: The prompts that choose.

    Returns:
        An arm for each side of which a layer reaches the dose.
    """
    names = [str(row["layers"]) for row in ranked_cells(samples)[:LAYERS_AT_DOSE]]
    layers = tuple(cells for cells in candidate.grid.layers if "+".join(map(str, cells)) in names)
    signed = {side: toward(side) * dose for side, dose in doses.items() if dose >= MIN_DOSE}
    if not layers or not signed:
        return []
    setting = replace(candidate.grid.setting, scale="kl")
    grid = Grid(layers, tuple(sorted(set(signed.values()))), setting)
    alphas = find_strengths(model, candidate.vector, grid, grid.steered, texts)
    if not alphas:
        return []
    reached = replace(grid, alphas=alphas)
    plain = arm_samples(
        model, THE_MODEL, [("select", choosing.select)], choosing.scoring, behavior=choosing.select.name,
        balance=choosing.balance, seed=choosing.seed,
    )  # fmt: skip
    scored = candidate_samples(model, replace(candidate, grid=reached), choosing)
    found = []
    for side, strength in signed.items():
        labels = {"arm": candidate.name, "kind": candidate.kind, "side": side, "at": CANDIDATE, "wording": ""}
        mine = scored[scored["strength"] == strength].assign(**labels)
        ranked = choosing_effects(pd.concat([plain, mine], ignore_index=True))
        cells = {cell.layers_label: cell for cell in reached.steered if cell.strength == strength}
        if ranked.empty:
            continue
        cell = cells[str(ranked["layers"].iloc[0])]
        one = replace(reached, layers=(cell.layers,), strengths=(cell.strength,), alphas={cell: alphas[cell]})
        found.append(Arm(candidate.name, candidate.kind, side, EQUAL_DOSE, push=Push(candidate.vector, one)))
    return found
