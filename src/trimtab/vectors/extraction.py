"""From pairs to a vector at every layer: differences streamed in, a direction out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from trimtab.data import Balance, Behavior, Form
from trimtab.models import TokenPosition
from trimtab.vectors.aggregations import Method, check_method
from trimtab.vectors.differences import DifferenceSums, require_direction
from trimtab.vectors.kept import keep_differences
from trimtab.vectors.reading import Progress, Source, prepare
from trimtab.vectors.steering_vector import SteeringVector


def extract(
    model: Source,
    behavior: Behavior,
    *,
    method: Method = "mean",
    token_position: TokenPosition | Literal["auto"] = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> SteeringVector:
    """One vector at every layer from one forward pass over the pairs.

    `mean` keeps nothing but sums; the other methods keep every row's difference meanwhile, see `keep_differences`.

    Args:
        model: from `trimtab.load`.
        behavior: the pairs, best the `train` part of a split.
        method: `mean`, `pca`, `probe`, `lda`, `median`, `single` or `random`; see `trimtab.vectors.Method`.
        token_position: `answer` (the first differing token), `last`, `mean_completion`. `auto`: `answer` for choices,
            `mean_completion` for texts.
        form: ask choice pairs with their options and answer by letter (`choice`), or answer by text (`text`).
            `auto`: `choice` for choice pairs.
        balance: how the answer letter is kept out of the vector; see `trimtab.data.show`.
        seed: for `balance="subsample"` and the methods that draw, `single` and `random`.
        progress: called with (rows done, rows in all).

    Raises:
        SettingError: for an unknown method, or form `choice` for open pairs.
        DataError: when a pair's completions become the same tokens.
        VectorError: when positive and negative states are the same everywhere.
    """
    check_method(method)
    if method != "mean":
        kept = keep_differences(
            model, behavior, token_position=token_position, form=form, balance=balance, seed=seed, progress=progress
        )
        return kept.vector(method, seed)
    reading = prepare(model, behavior, token_position, form, balance, seed)
    sums = DifferenceSums(reading.weights, reading.signs)
    for batch in reading.batches(progress):
        sums.add(batch.rows, batch.difference, batch.norm)
    made = replace(reading.provenance(sums.residual_norm), letter=sums.letter_leakage(sums.mean))
    return SteeringVector(require_direction(sums.mean), sums.residual_norm, made)
