"""What belongs to the rows of a batch is told from two heights and two widths, not from one size."""

from __future__ import annotations

from collections import UserDict

import pytest
import torch
from torch import Tensor, nn

from trimtab.engines.transformers._layer_arguments import LayerArguments, Observed, UnknownArgumentError, observed

HEADS = 4


class Layer(nn.Module):
    """Takes whatever a decoder might give."""

    def forward(self, hidden_states: Tensor, **others: object) -> Tensor:
        return hidden_states


def arguments_for(rows: int, width: int) -> dict[str, object]:
    return {
        "mask": torch.arange(rows * width * width).view(rows, 1, width, width),
        "bias_by_head": torch.zeros(HEADS, 1, width),
        "bias_by_row_and_head": torch.arange(rows * HEADS * width).view(rows * HEADS, 1, width),
        "sections": torch.arange(3 * rows * width).view(3, rows, width),
        "flat": torch.arange(rows * width * 2).view(rows * width, 2),
        "rotary": (torch.zeros(1, width, 6), torch.zeros(rows, width, 6)),
        "shared": UserDict({"full": (torch.arange(rows * 2 * width).view(rows, 2, width),)}),
    }


def learnt() -> LayerArguments:
    layer, seen = Layer(), []
    for rows, width in ((2, 5), (3, 5), (2, 7)):
        one = Observed(rows, width, {})
        with observed(layer, [layer], one):
            layer(torch.zeros(rows, width, 8), **arguments_for(rows, width))
        seen.append(one)
    found = LayerArguments()
    found.learn(*seen)
    return found


def widened(given: dict[str, object], *, rows: int, height: int, width: int) -> dict[str, object]:
    hidden = torch.zeros(height, width, 8)
    return learnt().widened(0, (hidden,), given, rows=rows, height=height, width=width)[1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("rows", [1, 2, HEADS, 5])
def test_rows_are_repeated_where_they_are_and_nothing_else_is(rows: int) -> None:
    """As many rows as heads is the case that sizes alone get wrong."""
    given, width = arguments_for(rows, 6), 6
    found = widened(dict(given), rows=rows, height=3 * rows, width=width)
    for name in ("mask", "bias_by_row_and_head", "flat"):
        value = given[name]
        assert isinstance(value, Tensor)
        assert torch.equal(found[name], torch.cat([value] * 3))  # type: ignore[arg-type]
    assert torch.equal(found["sections"], torch.cat([given["sections"]] * 3, dim=1))  # type: ignore[arg-type, list-item]
    assert found["bias_by_head"] is given["bias_by_head"]
    assert found["rotary"][0] is given["rotary"][0]  # type: ignore[index]
    assert found["rotary"][1].shape[0] == 3 * rows  # type: ignore[index]


def test_what_lower_layers_made_for_fewer_cells_is_filled_up_with_the_unsteered_rows() -> None:
    """Keys of a layer below the one at which a cell joined are for that cell those of the unsteered rows."""
    rows, width = 2, 6
    lower = torch.arange(2 * rows * 2 * width).view(2 * rows, 2, width)
    shared = UserDict({"full": (lower,)})
    widened({"shared": shared}, rows=rows, height=4 * rows, width=width)
    (found,) = shared["full"]
    assert torch.equal(found, torch.cat([lower, lower[:rows], lower[:rows]]))


def test_a_mask_that_all_rows_share_stays_one() -> None:
    mask = torch.zeros(1, 1, 6, 6)
    assert widened({"mask": mask}, rows=3, height=9, width=6)["mask"] is mask


def test_a_tensor_that_was_never_seen_is_not_guessed_at() -> None:
    with pytest.raises(UnknownArgumentError, match="novelty"):
        widened({"novelty": torch.zeros(2, 6)}, rows=2, height=4, width=6)


def test_a_tensor_that_grows_in_no_known_way_is_refused() -> None:
    layer, seen = Layer(), []
    for rows, size in ((2, 7), (3, 9), (2, 7)):
        one = Observed(rows, 5, {})
        with observed(layer, [layer], one):
            layer(torch.zeros(rows, 5, 8), odd=torch.zeros(size, 5))
        seen.append(one)
    with pytest.raises(UnknownArgumentError, match="odd"):
        LayerArguments().learn(*seen)
