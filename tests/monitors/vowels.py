"""Pairs whose positive and negative texts are told apart by their letters."""

from __future__ import annotations

import random

from trimtab.data import Behavior, Pair


def words(letters: str, seed: int) -> str:
    """Some words of these letters and of others that say nothing."""
    source = random.Random(seed)
    return " ".join("".join(source.choices(letters + "nrst", k=4)) for _ in range(source.randint(2, 6)))


def open_pairs(count: int, positive: str = "aeio", negative: str = "klmp", seed: int = 0) -> Behavior:
    """Positives of some letters, negatives of others; the same letters on both sides are noise."""
    pairs = [
        Pair(f"p{i}", f"say {seed} {i}", words(positive, 2 * i + 1000 * seed), words(negative, 2 * i + 1 + 1000 * seed))
        for i in range(count)
    ]
    return Behavior("vowels", tuple(pairs))


def choice_pairs(count: int) -> Behavior:
    pairs: list[Pair] = []
    for pair in open_pairs(count):
        choices = (pair.positive, pair.negative) if len(pairs) % 3 else (pair.negative, pair.positive)
        pairs.append(Pair(pair.id, pair.prompt, pair.positive, pair.negative, choices))
    return Behavior("vowel-choices", tuple(pairs))
