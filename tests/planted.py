"""Differences made by hand, where the right answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trimtab.data import Balance, Behavior, Pair, present
from trimtab.models import EncodedPair
from trimtab.vectors import Provenance, StateDifferences


def open_pairs(count: int) -> tuple[Pair, ...]:
    return tuple(Pair(f"p{i}", f"Question {i}?", f"yes {i}", f"no {i}") for i in range(count))


def choice_pairs(count: int) -> tuple[Pair, ...]:
    """Listed options, the positive one now first and now second."""
    pairs = (Pair(f"p{i}", f"Question {i}?", f"yes {i}", f"no {i}", (f"yes {i}", f"no {i}")) for i in range(count))
    return tuple(pair if i % 2 else pair.swapped() for i, pair in enumerate(pairs))


def word_pairs(words: Sequence[str]) -> tuple[Pair, ...]:
    """Questions answered by Yes or No, with these positive answers."""
    other = {"Yes": "No", "No": "Yes"}
    return tuple(
        Pair(f"p{i}", f"Question {i}?", word, other[word], ("Yes", "No"), listed=False) for i, word in enumerate(words)
    )


def keep(
    differences: Tensor,
    pairs: Sequence[Pair] | None = None,
    *,
    letter: Tensor | None = None,
    balance: Balance = "both_orders",
) -> StateDifferences:
    """Differences of pairs as if read from a model.

    Args:
        differences: what each pair shows of its behavior, [pairs, n_layers, d_model].
        pairs: open ones by default.
        letter: what a pair shows more, or less, of the answer letter, [d_model]: + in rows whose positive answer is "A"
            or "No".
        balance: how pairs are shown.
    """
    behavior = Behavior("kind", tuple(pairs) if pairs is not None else open_pairs(len(differences)))
    shown = tuple(present(behavior, "choice" if behavior.is_choice else "text", balance))
    place = {pair.id: i for i, pair in enumerate(behavior)}
    rows = differences[[place[s.pair.id] for s in shown]].clone()
    if letter is not None:
        first = "A" if behavior[0].listed else "No"
        rows += torch.stack([letter if s.pair.label == first else -letter for s in shown])[:, None]
    made = Provenance(
        model="made-up", fingerprint="", behavior="kind", pairs_hash=behavior.hash, pairs=len(behavior), method="mean",
        token_position="last", form=shown[0].form, balance=balance, template_hash="",
        first_token_ratio=(2.0,) * rows.shape[1],
    )  # fmt: skip
    encoded = tuple(EncodedPair(s.pair.id, (1, 2), (1, 3), 1, 1) for s in shown)
    norm = 1.0 + torch.arange(len(rows))[:, None] + torch.zeros(rows.shape[:2])
    return StateDifferences(rows.float(), norm, shown, encoded, balance, 0, made)


def reordered(kept: StateDifferences, order: Sequence[int]) -> StateDifferences:
    """The same rows in another order."""
    rows = list(order)
    return replace(
        kept,
        difference=kept.difference[rows],
        norm=kept.norm[rows],
        presented=tuple(kept.presented[row] for row in rows),
        encoded=tuple(kept.encoded[row] for row in rows),
    )
