"""`single`: one pair."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.data import Pair
from trimtab.data.hash_order import prompt_key, rank
from trimtab.vectors.aggregations.base import Aggregation, Differences, Item


class Single(Aggregation):
    """The difference of one pair, drawn by the seed."""

    name = "single"
    source = "activation addition, Turner et al. 2023"
    length = "difference"
    draws = True

    def directions(self, differences: Differences, seed: int) -> Tensor:
        """The difference of the drawn pair at every layer."""
        number = [pair.id for pair in differences.pairs].index(self.drawn_pair(differences.pairs, seed).id)
        return torch.stack([differences.at(layer)[number] for layer in range(len(differences.mean))])

    def drawn_pair(self, pairs: Sequence[Item], seed: int) -> Item:
        """Drawn by its content, so that neither its place nor its letter matters."""
        return min(pairs, key=lambda pair: rank(seed, "single", _content(pair)))


def _content(pair: Item) -> str:
    if isinstance(pair, Pair):
        return json.dumps([prompt_key(pair), pair.positive, pair.negative])
    return json.dumps([pair.positive.key, pair.negative.key])


SINGLE = Single()
