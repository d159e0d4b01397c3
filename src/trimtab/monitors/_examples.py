"""Pairs as examples for a probe: two labelled texts each, and the tokens to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trimtab.data import Balance, Behavior, Form
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.engines.queries import read_texts
from trimtab.models import Text, TokenPosition
from trimtab.monitors._probes import Array
from trimtab.vectors.state_reading import prepare


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled texts; both texts of a pair stand side by side."""

    texts: tuple[Text, ...]
    positive: NDArray[np.bool_]
    prompts: tuple[str, ...]
    """The prompt of each text."""
    weight: Array
    """Of each text; those of a pair shown in both option orders are 1/2."""
    form: Form
    token_position: TokenPosition


def examples(
    model: Model,
    behavior: Behavior,
    token_position: TokenPosition | None,
    form: Form | None,
    balance: Balance,
    seed: int,
) -> Examples:
    """Both texts of every pair as the pair is shown; None lets the pairs decide, as in `trimtab.extract`.

    Raises:
        SettingError: for form `choice` of open pairs.
        DataError: when a pair's completions become the same tokens.
    """
    reading = prepare(model, behavior, token_position or "auto", form or "auto", balance, seed)
    texts = [text for pair in reading.encoded for text in read_texts(pair, reading.token_position)]
    return Examples(
        tuple(texts),
        np.tile([True, False], len(reading.encoded)),
        tuple(prompt_key(shown.pair) for shown in reading.presented for _ in range(2)),
        np.repeat(np.array(reading.weights, dtype=np.float64), 2),
        reading.form,
        reading.token_position,
    )


def token_logits(
    model: Model, texts: Sequence[Text], layers: Sequence[int], weight: Tensor, bias: Tensor
) -> Iterator[tuple[int, Array]]:
    """Stream (text, logits of its completion tokens [tokens, layers]).

    Args:
        model: the model.
        texts: the texts.
        layers: Layers of the probes, ascending.
        weight: [n_layers, d_model].
        bias: [n_layers].
    """
    chosen, offsets = weight[list(layers)], bias[list(layers)]
    for index, states in model.states(texts, layers):
        yield index, ((states * chosen).sum(-1) + offsets).double().numpy()


@dataclass(frozen=True, eq=False)
class Tokens:
    """The read tokens of labelled texts."""

    logits: Array
    """[tokens, layers]."""
    positive: NDArray[np.bool_]
    """Whether they are from positive texts."""
    prompts: tuple[str, ...]
    weight: Array
    """Those of a text add up to the text's."""


def by_text(rows: Sequence[tuple[int, Array]]) -> Array:
    """Mean logit of the tokens of each text, [texts, layers], from what `token_logits` streams."""
    return np.stack([logits.mean(0) for _, logits in sorted(rows, key=itemgetter(0))])


def by_token(rows: Sequence[tuple[int, Array]], labelled: Examples) -> Tokens:
    """Every token on its own, from what `token_logits` streams of these examples."""
    logits = [row for _, row in sorted(rows, key=itemgetter(0))]
    lengths = np.array([len(row) for row in logits])
    return Tokens(
        np.concatenate(logits),
        np.repeat(labelled.positive, lengths),
        tuple(prompt for prompt, n in zip(labelled.prompts, lengths, strict=True) for _ in range(n)),
        np.repeat(labelled.weight / lengths, lengths),
    )
