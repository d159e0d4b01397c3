"""Does a vector's effect survive another way of asking? The same cell, the same prompts, asked otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis import PLAIN_VARIANT
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import DataError, TrimtabWarning
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.sweeping import form_of, resolve_scoring, shown_rows, sweep_batches
from trimtab.evaluation.variations import changed, variations
from trimtab.vectors import SteeringVector


@dataclass(frozen=True)
class Variant:
    """One set of prompts that the cell is measured on."""

    kind: str
    """`plain`, the kinds of `Variation`, `order`, `form` or `transfer`."""
    name: str
    behavior: Behavior
    scoring: Scoring
    order: int | None = None
    """Only this option order of choice pairs; None: as the study balances them."""

    @property
    def label(self) -> str:
        """Kind and name, as tables have them."""
        return self.kind if self.kind == PLAIN_VARIANT else f"{self.kind}: {self.name}"


def variants(
    test: Behavior, demonstrations: Behavior, scoring: Scoring, *, transfer: Sequence[Behavior] = ()
) -> list[Variant]:
    """Everything that a behavior's cell is measured on, the plain prompts first.

    Args:
        test: the prompts, none of which made the vector or chose the cell.
        demonstrations: pairs for earlier turns, none of `test`.
        scoring: how the sweep scored.
        transfer: other behaviors or other people's items whose scores the same vector should move.
    """
    form = form_of(scoring)
    listed = scoring == "choice" and test[0].listed
    return [
        Variant(PLAIN_VARIANT, "", test, scoring),
        *(Variant(v.kind, v.name, changed(test, v), scoring) for v in variations(test, form, demonstrations.pairs)),
        *(Variant("order", name, test, scoring, order) for order, name in enumerate(("as given", "swapped")) if listed),
        *([Variant("form", "answered by text", test, "text")] if listed else []),
        *([Variant("form", "answered by letter", test, "choice")] if scoring != "choice" and test.is_choice else []),
        *(Variant("transfer", other.name, other, resolve_scoring(other, "auto")) for other in transfer),
    ]


def variant_batches(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    variant: Variant,
    behavior: str,
    *,
    balance: Balance = "both_orders",
    seed: int = 0,
) -> Iterator[pd.DataFrame]:
    """Stream the samples of one variant, with its `kind` and `variant` as columns more.

    A model whose chat template refuses the conversation, as some do a system prompt, leaves the variant out with a
    warning.
    """
    rows = shown_rows([("test", variant.behavior)], variant.scoring, balance, seed)
    if variant.order is not None:
        # One order alone leans to a letter: each pair counts whole.
        rows = [replace(r, shown=replace(r.shown, weight=1.0)) for r in rows if r.shown.order == variant.order]
    try:
        model.encode([row.shown.pair for row in rows[:1]], form_of(variant.scoring))
    except DataError as error:
        if variant.kind in (PLAIN_VARIANT, "transfer"):
            raise
        warnings.warn(f"{behavior}, {variant.label}: left out, {error}", TrimtabWarning, stacklevel=2)
        return
    for _, frame in sweep_batches(model, vectors, rows, grid, variant.scoring, behavior):
        yield frame.assign(kind=variant.kind, variant=variant.label)
