"""Which pairs are fitted in which batch, and which decide when to stop: by content and seed, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.data import Presentation
from trimtab.data.hash_order import content_key, prompt_key, rank

MIN_PAIRS = 8
"""Fewer pairs are all fitted: of two held back at most, a loss says little."""


@dataclass(frozen=True)
class Batches:
    """Rows of a training; a row is a pair as presented, and all rows of a pair are together."""

    batches: tuple[tuple[int, ...], ...]
    held_back: tuple[int, ...]
    fit_pairs: int
    held_pairs: int

    def at(self, step: int, seed: int) -> tuple[int, ...]:
        """The batch of a step: all batches in turn, in another order each time."""
        epoch, place = divmod(step, len(self.batches))
        order = sorted(range(len(self.batches)), key=lambda number: rank(seed, f"training epoch {epoch}", str(number)))
        return self.batches[order[place]]


def divide(presented: Sequence[Presentation], share: float, batch_size: int, seed: int) -> Batches:
    """Divide rows into batches of about `batch_size` pairs and a part that is held back.

    Pairs that ask the same are held back together, so that no prompt is on both sides.
    """
    rows: dict[str, list[int]] = {}
    asked: dict[str, list[str]] = {}
    for row, one in enumerate(presented):
        if one.order == 0:
            asked.setdefault(rank(seed, "held back in training", prompt_key(one.pair)), []).append(one.pair.id)
        rows.setdefault(one.pair.id, []).append(row)
    by_content = {
        one.pair.id: rank(seed, "training batches", content_key(one.pair)) for one in presented if not one.order
    }
    wanted = round(share * len(rows)) if len(rows) >= MIN_PAIRS else 0
    held: list[str] = []
    for _, ids in sorted(asked.items()):
        if len(held) >= wanted or len(held) + len(ids) > len(rows) // 2:
            break
        held += ids
    fit = sorted((pair for pair in rows if pair not in set(held)), key=lambda pair: by_content[pair])
    count = -(-len(fit) // batch_size)
    batches = tuple(tuple(row for pair in fit[start::count] for row in rows[pair]) for start in range(count))
    kept = tuple(row for pair in sorted(held, key=lambda pair: by_content[pair]) for row in rows[pair])
    return Batches(batches, kept, len(fit), len(held))
