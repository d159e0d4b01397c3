"""States that come in piece by piece, also where a request has to compute tokens again."""

from __future__ import annotations

import pytest
import torch

from trimtab.engines.vllm.plugin._captured_states import Pieces

STATES = torch.arange(20.0).view(10, 2)


def test_pieces_are_put_together_in_order() -> None:
    pieces = Pieces()
    for start, stop in ((0, 4), (4, 9), (9, 10)):
        pieces.add(start, STATES[start:stop])
    assert torch.equal(pieces.whole(10), STATES)


@pytest.mark.parametrize("again", [0, 2, 4, 6])
def test_what_is_computed_again_takes_the_place_of_what_was_there(again: int) -> None:
    pieces = Pieces()
    pieces.add(0, STATES[:4] + 1)
    pieces.add(4, STATES[4:7])
    pieces.add(again, STATES[again:])
    whole = pieces.whole(10)
    assert torch.equal(whole[again:], STATES[again:])
    assert torch.equal(whole[: min(again, 4)], STATES[: min(again, 4)] + 1)


def test_a_gap_and_a_wrong_number_are_told() -> None:
    pieces = Pieces()
    pieces.add(0, STATES[:3])
    with pytest.raises(RuntimeError, match="tokens 3 to 5 were never computed"):
        pieces.add(5, STATES[5:])
    with pytest.raises(RuntimeError, match="3 states were read where 10 were wanted"):
        pieces.whole(10)
