"""From token sequences to the tensors of one forward pass: packed prefix trees, or plain padded rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimtab.engines.transformers.packing._token_tree import TokenTree
from trimtab.engines.transformers.packing.row_memory import require_memory

Marks = Callable[[Sequence[int], int], Sequence[bool]]
"""(tokens of a sequence, prompt length) → which of them are steered."""


@dataclass(frozen=True)
class Query:
    """Sequences of one pair, and the tokens whose states are wanted."""

    sequences: tuple[tuple[int, ...], ...]
    reads: tuple[tuple[int, int], ...]
    """(sequence, index of the token in it)."""
    prompt_length: int

    @property
    def first_read(self) -> int:
        """Smallest token index that is read."""
        return min(index for _, index in self.reads)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(map(len, self.sequences))

    @property
    def tokens(self) -> int:
        """Tokens when nothing is shared between the sequences."""
        return sum(len(s) for s in self.sequences)


def one_by_one(queries: Sequence[Query]) -> Iterator[tuple[Query, list[int]]]:
    """Every sequence as a query of its own, with the places that its reads have among those of all queries."""
    before = 0
    for query in queries:
        for sequence, tokens in enumerate(query.sequences):
            mine = [place for place, (owner, _) in enumerate(query.reads) if owner == sequence]
            if mine:
                reads = tuple((0, query.reads[place][1]) for place in mine)
                yield Query((tokens,), reads, query.prompt_length), [before + place for place in mine]
        before += len(query.reads)


@dataclass(frozen=True, eq=False)
class Visibility:
    """Which keys each token sees, before it is put into a model's own mask format."""

    sees: NDArray[np.bool_]
    """[rows, tokens, keys]; keys = beginning + present."""
    distance: NDArray[np.int32]
    """Position of the token minus position of the key, same shape, for sliding windows."""


@dataclass(frozen=True, eq=False)
class Batch:
    """The tensors of one forward pass over `rows` rows of `width` tokens."""

    ids: Tensor
    positions: Tensor
    """Absolute position of each token in its own sequence [rows, width]."""
    steered: Tensor
    """True where a token is pushed [rows, width]."""
    visibility: Visibility | None
    """Who sees whom in a packed batch; None: ordinary causal attention over left-padded rows."""
    padding: Tensor | None
    """For a padded batch: 1 at real tokens [rows, width]."""
    read_rows: Tensor
    read_columns: Tensor
    """Where the wanted states are, one entry for each read of each query, in order."""
    key_columns: tuple[NDArray[np.int64], ...] = ()
    """For each row of a packed batch: where the keys of its tree's nodes stand, head and beginning counted."""

    @property
    def rows(self) -> int:
        """Rows before any cell is added."""
        return int(self.ids.shape[0])


@dataclass(frozen=True, eq=False)
class Packed:
    """Queries laid out as trees: the part that is the same in every cell, then the part that differs."""

    beginning: Batch | None
    present: Batch
    paths: tuple[tuple[int, NDArray[np.int64]], ...] = ()
    """For each sequence of each query: its row, and where the keys of its tokens stand, the head's first."""


def pack(
    queries: Sequence[Query],
    head: Sequence[int],
    marks: Marks,
    row_tokens: int,
    *,
    share: bool,
    recurring: bool = False,
) -> Packed:
    """Lay queries out as prefix trees that continue `head`.

    Args:
        queries: in the order in which they fill the rows.
        head: tokens that every sequence begins with, run beforehand; may be empty.
        marks: which tokens are steered.
        row_tokens: a row is closed when it holds this many tokens.
        share: split off the unsteered beginnings (True), or run everything in one pass (False).
        recurring: fill rows up to one of few widths. A staircase has a matrix product of another shape at every step,
            and kernels that are compiled for each shape should meet the same ones in the next batch.
    """
    trees, reads, paths = _grow(queries, len(head), marks, row_tokens)
    wanted: list[list[int]] = [[] for _ in trees]
    for row, node in reads:
        wanted[row].append(node)
    if share:
        live = [tree.downstream(nodes) for tree, nodes in zip(trees, wanted, strict=True)]
    else:
        live = [np.ones(len(tree), dtype=bool) for tree in trees]
    nothing = [np.zeros(len(tree), dtype=bool) for tree in trees]
    past = [~chosen for chosen in live]
    has_past = any(bool(chosen.any()) for chosen in past)
    beginning = _lay_out(trees, past, nothing, len(head), [], recurring) if has_past else None
    present = _lay_out(trees, live, past, len(head), reads, recurring)
    first = np.arange(len(head))
    spans = tuple((row, np.concatenate([first, present.key_columns[row][nodes]])) for row, nodes in paths)
    return Packed(beginning, present, spans)


def _grow(
    queries: Sequence[Query], head_length: int, marks: Marks, row_tokens: int
) -> tuple[list[TokenTree], list[tuple[int, int]], list[tuple[int, list[int]]]]:
    """The trees; (row, node) of each read; (row, nodes) of each sequence."""
    trees: list[TokenTree] = []
    reads: list[tuple[int, int]] = []
    nodes: list[tuple[int, list[int]]] = []
    for query in queries:
        if not trees or len(trees[-1]) >= row_tokens:
            trees.append(TokenTree(head_length))
        paths = [trees[-1].add(s[head_length:], marks(s, query.prompt_length)[head_length:]) for s in query.sequences]
        reads += [(len(trees) - 1, paths[s][index - head_length]) for s, index in query.reads]
        nodes += [(len(trees) - 1, path) for path in paths]
    return trees, reads, nodes


def _lay_out(
    trees: Sequence[TokenTree],
    chosen: Sequence[NDArray[np.bool_]],
    past: Sequence[NDArray[np.bool_]],
    head: int,
    reads: Sequence[tuple[int, int]],
    recurring: bool,
) -> Batch:
    """One row a tree: its chosen nodes as tokens; head, past nodes and chosen nodes as keys."""
    rows = len(trees)
    width, before = (max(int(c.sum()) for c in part) for part in (chosen, past))
    if recurring:
        width, before = _recurring(width), _recurring(before)
    require_memory(head + max(len(tree) for tree in trees))
    ids, positions = np.zeros((rows, width), np.int64), np.zeros((rows, width), np.int64)
    steered = np.zeros((rows, width), bool)
    sees = np.zeros((rows, width, head + before + width), bool)
    key_positions = np.zeros((rows, head + before + width), np.int64)
    key_positions[:, :head] = np.arange(head)
    sees[:, np.arange(width), head + before + np.arange(width)] = True  # padding sees itself: no empty softmax
    column, keys = [], []
    for row, (tree, now, then) in enumerate(zip(trees, chosen, past, strict=True)):
        n, p = int(now.sum()), int(then.sum())
        depths, ancestry = np.array(tree.depths), tree.ancestry()[now]
        ids[row, :n], positions[row, :n] = np.array(tree.tokens)[now], depths[now]
        steered[row, :n] = np.array(tree.steered)[now]
        sees[row, :n, :head] = True
        sees[row, :n, head : head + p] = ancestry[:, then]
        sees[row, :n, head + before : head + before + n] = ancestry[:, now]
        key_positions[row, head : head + p] = depths[then]
        key_positions[row, head + before : head + before + n] = depths[now]
        column.append(np.cumsum(now) - 1)
        keys.append(np.where(now, head + before + np.cumsum(now) - 1, head + np.cumsum(then) - 1))
    # In the small type from the start: this is the largest array of a long text.
    distance = positions.astype(np.int32)[:, :, None] - key_positions.astype(np.int32)[:, None, :]
    return Batch(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        steered=torch.from_numpy(steered),
        visibility=Visibility(sees, distance),
        padding=None,
        read_rows=torch.tensor([row for row, _ in reads], dtype=torch.long),
        read_columns=torch.tensor([int(column[row][node]) for row, node in reads], dtype=torch.long),
        key_columns=tuple(keys),
    )


def _recurring(tokens: int) -> int:
    """The next number with three significant bits: few widths, each at most an eighth too wide."""
    step = max(1, 1 << (tokens.bit_length() - 4)) if tokens > 8 else 1
    return -(-tokens // step) * step


def pad(queries: Sequence[Query], marks: Marks, pad_token: int) -> Batch:
    """Lay queries out one sequence a row, padded on the left: for models whose state is more than keys and values."""
    sequences = [(s, query.prompt_length) for query in queries for s in query.sequences]
    width = max(len(s) for s, _ in sequences)
    ids = torch.full((len(sequences), width), pad_token)
    padding, steered = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, (sequence, prompt_length) in enumerate(sequences):
        ids[row, width - len(sequence) :] = torch.tensor(sequence)
        padding[row, width - len(sequence) :] = 1
        steered[row, width - len(sequence) :] = torch.tensor(marks(sequence, prompt_length))
    first_row = np.cumsum([0, *(len(query.sequences) for query in queries)])
    places = [(int(first_row[q]) + s, index) for q, query in enumerate(queries) for s, index in query.reads]
    return Batch(
        ids=ids,
        positions=(padding.cumsum(1) - 1).clamp(min=0),
        steered=steered,
        visibility=None,
        padding=padding,
        read_rows=torch.tensor([row for row, _ in places], dtype=torch.long),
        read_columns=torch.tensor([width - len(sequences[row][0]) + index for row, index in places], dtype=torch.long),
    )


def in_order(parts: Sequence[tuple[list[int], Tensor]], axis: int) -> Tensor:
    """States of single sequences in the order in which all queries ask for them."""
    places = torch.tensor([place for some, _ in parts for place in some])
    states = torch.cat([states for _, states in parts], dim=axis)
    return states.index_select(axis, places.argsort().to(states.device))
