"""Many token sequences packed into one row, with every shared beginning computed once.

A prompt's two answers, its two option orders, and the template's head that all prompts have in common are beginnings
that a plain batch computes again and again. Here they are a prefix tree, laid out in one row: each token attends to its
ancestors only, and its position is its depth, so its state is what it would be in the sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import DataError

ROOT = -1
MAX_SEQUENCE = 65_536
"""Tokens behind the head; `ancestry` takes their square in bytes, 4 GiB."""


@dataclass
class TokenTree:
    """A growing prefix tree over sequences that all continue the same head of `head_length` tokens."""

    head_length: int = 0
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    """Absolute position of each node's token in its sequence."""
    steered: list[bool] = field(default_factory=list)
    _children: dict[tuple[int, int, bool], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, tokens: Sequence[int], steered: Sequence[bool]) -> list[int]:
        """Insert a sequence (without the head) and return its path: the node of each of its tokens.

        A node is shared only by sequences that agree on whether its token is steered.

        Raises:
            DataError: when a sequence is so long that who sees whom cannot be held in memory.
        """
        if len(tokens) > MAX_SEQUENCE:
            raise DataError(
                f"a text of {len(tokens):,} tokens is longer than {MAX_SEQUENCE:,} and takes memory with the square of "
                "its length; shorten its pair or prompt"
            )
        path, parent = [], ROOT
        for token, mark in zip(tokens, steered, strict=True):
            parent = self._child(parent, token, mark)
            path.append(parent)
        return path

    def _child(self, parent: int, token: int, mark: bool) -> int:
        key = (parent, token, mark)
        if key not in self._children:
            self._children[key] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(parent)
            self.depths.append(self.head_length if parent == ROOT else self.depths[parent] + 1)
            self.steered.append(mark)
        return self._children[key]

    def ancestry(self) -> NDArray[np.bool_]:
        """[n, n], True where the column's token is the row's token or one of its ancestors."""
        n = len(self)
        sees = np.zeros((n, n), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent != ROOT:
                sees[node] = sees[parent]
            sees[node, node] = True
        return sees

    def downstream(self, nodes: Sequence[int]) -> NDArray[np.bool_]:
        """[n], True at steered tokens, at `nodes`, and at everything that continues one of these.

        The rest, the unsteered beginnings that nobody reads, is the same in every cell of a sweep.
        """
        chosen = np.array(self.steered, dtype=bool)
        chosen[list(nodes)] = True
        for node, parent in enumerate(self.parents):
            if parent != ROOT and chosen[parent]:
                chosen[node] = True
        return chosen


def common_head(sequences: Sequence[Sequence[int]]) -> int:
    """How many tokens all sequences begin with, leaving each at least one token of its own."""
    if not sequences:
        return 0
    limit = min(len(s) for s in sequences) - 1
    for index in range(limit):
        if any(s[index] != sequences[0][index] for s in sequences):
            return index
    return max(limit, 0)
