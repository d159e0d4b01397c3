"""Prefix trees: every shared beginning once, every token sees its ancestors only, everything under a push is live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from trimtab.engines.transformers.packing._token_tree import TokenTree, common_head
from trimtab.engines.transformers.packing.batches import Query, pack, pad
from trimtab.errors import DataError

PLAIN = (False,) * 9


def test_sequences_share_their_common_beginning() -> None:
    tree = TokenTree()
    assert tree.add([5, 6, 7], PLAIN[:3]) == [0, 1, 2]
    assert tree.add([5, 6, 8, 9], PLAIN[:4]) == [0, 1, 3, 4]
    assert tree.tokens == [5, 6, 7, 8, 9]
    assert tree.depths == [0, 1, 2, 2, 3]


def test_a_steered_token_is_not_shared_with_an_unsteered_one() -> None:
    tree = TokenTree()
    tree.add([5, 6], [False, False])
    assert tree.add([5, 6], [False, True]) == [0, 2]


def test_depths_count_the_head() -> None:
    tree = TokenTree(head_length=4)
    tree.add([5, 6], PLAIN[:2])
    assert tree.depths == [4, 5]


def test_tokens_see_themselves_and_their_ancestors() -> None:
    tree = TokenTree()
    tree.add([1, 2], PLAIN[:2])
    tree.add([1, 3], PLAIN[:2])
    assert tree.ancestry().astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 1]]


def test_downstream_is_what_is_steered_or_read_and_all_behind_it() -> None:
    tree = TokenTree()
    tree.add([1, 2, 3, 4], [False, True, False, False])
    path = tree.add([1, 7, 8], PLAIN[:3])
    assert tree.downstream([path[-1]]).tolist() == [False, True, True, True, False, True]


def test_common_head_leaves_each_sequence_a_token_of_its_own() -> None:
    assert common_head([[1, 2, 3], [1, 2, 4]]) == 2
    assert common_head([[1, 2, 3], [1, 2]]) == 1
    assert common_head([[1, 2], [1, 2]]) == 1
    assert common_head([[4], [5]]) == 0
    assert common_head([]) == 0


def last_two(tokens: Sequence[int], prompt_length: int) -> list[bool]:
    return [index >= len(tokens) - 2 for index in range(len(tokens))]


def test_packing_splits_what_no_cell_changes_from_what_every_cell_has() -> None:
    queries = [Query(((1, 2, 3, 4, 5),), ((0, 4),), 5), Query(((1, 2, 3, 6, 7),), ((0, 4),), 5)]
    packed = pack(queries, (1,), last_two, row_tokens=100, share=True)
    assert packed.beginning is not None
    assert packed.beginning.ids.tolist() == [[2, 3]]
    assert packed.present.ids.tolist() == [[4, 5, 6, 7]]
    assert packed.present.positions.tolist() == [[3, 4, 3, 4]]
    assert packed.present.visibility is not None
    assert packed.present.visibility.sees[0].astype(int).tolist() == [
        [1, 1, 1, 1, 0, 0, 0],  # the head, the beginning, itself
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0, 1, 0],
        [1, 1, 1, 0, 0, 1, 1],
    ]


def test_a_full_row_is_closed() -> None:
    queries = [Query(((n, n + 1, n + 2),), ((0, 2),), 3) for n in (10, 20, 30)]
    packed = pack(queries, (), last_two, row_tokens=4, share=False)
    assert packed.present.rows == 2
    assert packed.present.read_rows.tolist() == [0, 0, 1]
    assert packed.present.read_columns.tolist() == [2, 5, 2]


def test_padding_sees_itself_so_that_no_softmax_is_empty() -> None:
    queries = [Query(((1, 2, 3),), ((0, 2),), 3), Query(((4, 5),), ((0, 1),), 2)]
    visibility = pack(queries, (), last_two, row_tokens=1, share=False).present.visibility
    assert visibility is not None
    assert bool(np.all(visibility.sees.any(axis=-1)))


def test_padded_rows_are_padded_on_the_left_and_positions_are_absolute() -> None:
    queries = [Query(((1, 2, 3),), ((0, 2),), 3), Query(((4,), (5, 6)), ((0, 0), (1, 1)), 1)]
    batch = pad(queries, last_two, pad_token=0)
    assert batch.ids.tolist() == [[1, 2, 3], [0, 0, 4], [0, 5, 6]]
    assert batch.positions.tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 1]]
    assert batch.read_rows.tolist() == [0, 1, 2]
    assert batch.read_columns.tolist() == [2, 2, 2]
    assert batch.steered.int().tolist() == [[0, 1, 1], [0, 0, 1], [0, 1, 1]]


@pytest.mark.parametrize("share", [True, False])
def test_rows_filled_up_to_a_recurring_width_see_the_same(share: bool) -> None:
    queries = [Query((tuple(range(1, n)),), ((0, n - 2),), n - 1) for n in (20, 27, 38)]
    tight = pack(queries, (1,), last_two, row_tokens=1, share=share)
    wide = pack(queries, (1,), last_two, row_tokens=1, share=share, recurring=True)
    for one, other in ((tight.beginning, wide.beginning), (tight.present, wide.present)):
        if one is None or other is None:
            assert one is other
            continue
        width = one.ids.shape[1]
        assert other.ids.shape[1] in (2, 36, 40)
        assert torch.equal(other.ids[:, :width], one.ids)
        assert torch.equal(other.read_columns, one.read_columns)
        assert not other.steered[:, width:].any()
        assert other.visibility is not None
        assert (other.visibility.sees.any(-1)).all()


def test_a_text_whose_square_no_memory_holds_is_refused() -> None:
    with pytest.raises(DataError, match="250,000 tokens"):
        TokenTree().add([1] * 250_000, [False] * 250_000)
