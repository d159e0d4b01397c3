"""How well an effect holds under paraphrases, system prompts, option orders and transfer to other pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis import PLAIN_VARIANT
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import DataError, SettingError, TrimtabWarning
from trimtab.evaluation._variations import changed, demonstrated, variations
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.sweeping import Row, form_of, resolve_scoring, shown_rows, sweep_batches
from trimtab.models import PromptError
from trimtab.vectors import SteeringVector

REWRITTEN = ("system", "wording", "few-shot", "earlier turn", "resist")
"""Kinds that change the prompt."""


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
    test: Behavior, train: Behavior, scoring: Scoring, *, transfer: Sequence[Behavior] = (), seed: int = 0
) -> list[Variant]:
    """All sets of prompts that a behavior's cell is measured on, the plain prompts first.

    Args:
        test: the prompts, none of which made the vector or chose the cell.
        train: pairs of which some become earlier turns, none of `test`.
        scoring: how the sweep scored.
        transfer: other behaviors or other people's items whose scores the same vector should move.
        seed: which pairs become earlier turns.

    Raises:
        SettingError: when two of them would have the same name.
    """
    form = form_of(scoring)
    rewritten = variations(test, form, demonstrated(train, seed))
    listed = scoring == "choice" and test[0].listed
    orders = enumerate(("as given", "swapped")) if listed else ()
    found = [
        Variant(PLAIN_VARIANT, "", test, scoring),
        *(Variant(v.kind, v.name, changed(test, v), scoring) for v in rewritten),
        *(Variant("order", name, test, scoring, order) for order, name in orders),
        *([Variant("form", "answered by text", test, "text")] if listed else []),
        *([Variant("form", "answered by letter", test, "choice")] if scoring != "choice" and _lettered(test) else []),
        *(Variant("transfer", other.name, other, resolve_scoring(other, "auto")) for other in transfer),
    ]
    labels = [variant.label for variant in found]
    if again := next((label for label in labels if labels.count(label) > 1), None):
        raise SettingError(f"robustness: two sets of pairs would be {again!r}; rename one of the files")
    return found


def _lettered(behavior: Behavior) -> bool:
    return behavior.is_choice and behavior[0].listed


def variant_rows(variant: Variant, balance: Balance, seed: int) -> list[Row]:
    """Every row that a variant scores."""
    if variant.order is None:
        return shown_rows([("test", variant.behavior)], variant.scoring, balance, seed)
    # One order alone leans to a letter: both are presented, one is scored, and each pair counts whole.
    rows = shown_rows([("test", variant.behavior)], variant.scoring, "both_orders", seed)
    return [replace(r, shown=replace(r.shown, weight=1.0)) for r in rows if r.shown.order == variant.order]


def variant_batches(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    variant: Variant,
    behavior: str,
    *,
    plain: Behavior | None = None,
    balance: Balance = "both_orders",
    seed: int = 0,
) -> Iterator[pd.DataFrame]:
    """Stream the samples of one variant, with its `kind` and `variant` as columns more.

    A model whose chat template refuses the conversation, as some do a system prompt, leaves the variant out with a
    warning; so does one whose template drops what the variant adds to the prompts of `plain`.
    """
    rows = variant_rows(variant, balance, seed)
    try:
        asked = model.encode([row.shown.pair for row in rows], form_of(variant.scoring))
    except DataError as error:
        if variant.kind == PLAIN_VARIANT or (variant.kind == "transfer" and not isinstance(error, PromptError)):
            raise
        _left_out(behavior, variant, str(error))
        return
    if plain is not None and variant.kind in REWRITTEN:
        as_swept = variant_rows(replace(variant, behavior=plain), balance, seed)
        if asked == model.encode([row.shown.pair for row in as_swept], form_of(variant.scoring)):
            _left_out(behavior, variant, "the model's chat template drops what is added, so nothing is asked otherwise")
            return
    for _, frame in sweep_batches(model, vectors, rows, grid, variant.scoring, behavior):
        yield frame.assign(kind=variant.kind, variant=variant.label)


def _left_out(behavior: str, variant: Variant, why: str) -> None:
    warnings.warn(f"{behavior}, {variant.label}: left out, {why}", TrimtabWarning, stacklevel=3)
