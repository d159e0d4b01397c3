"""`steered`: it steers while it lasts, and nothing of it stays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tiny import random_directions, random_pairs
from trimtab.errors import SettingError
from trimtab.models import Backbone, hidden_of
from trimtab.steering import Intervention, steered

IDS = torch.tensor([random_pairs(1)[0].positive[:10], random_pairs(1, seed=1)[0].positive[:10]])


@torch.no_grad()
def logits(backbone: Backbone, ids: Tensor = IDS, mask: Tensor | None = None) -> Tensor:
    found: Tensor = backbone.model(ids, attention_mask=mask).logits
    return found


def hooks_on(backbone: Backbone) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in backbone.model.modules())


def push_at(backbone: Backbone, strength: float = 1.0, **options: object) -> Intervention:
    directions = random_directions(backbone)
    return Intervention({1: directions[1], 3: directions[3]}, strength, **{"scale": "raw", **options})  # type: ignore[arg-type]


def test_strength_zero_is_bit_identical_to_no_hook(backbone: Backbone) -> None:
    plain = logits(backbone)
    for scale in ("raw", "relative"):
        with steered(backbone, [push_at(backbone, 0.0, scale=scale)]):
            assert torch.equal(logits(backbone), plain)


def test_plus_then_minus_cancels(backbone: Backbone) -> None:
    plain = logits(backbone)
    with steered(backbone, [push_at(backbone, 0.7)]), steered(backbone, [push_at(backbone, -0.7)]):
        torch.testing.assert_close(logits(backbone), plain, atol=1e-4, rtol=0)


def test_nested_contexts_add_up(llama: Backbone) -> None:
    with steered(llama, [push_at(llama, 0.5)]), steered(llama, [push_at(llama, 0.25)]):
        nested = logits(llama)
    with steered(llama, [push_at(llama, 0.75)]):
        torch.testing.assert_close(nested, logits(llama), atol=1e-4, rtol=0)


def test_the_model_is_clean_when_the_context_ends(backbone: Backbone) -> None:
    plain, before = logits(backbone), hooks_on(backbone)
    with steered(backbone, [push_at(backbone)]):
        assert hooks_on(backbone) > before
        assert not torch.equal(logits(backbone), plain)
    assert hooks_on(backbone) == before
    assert torch.equal(logits(backbone), plain)


def test_the_model_is_clean_after_an_exception(backbone: Backbone) -> None:
    plain, before = logits(backbone), hooks_on(backbone)
    with pytest.raises(ZeroDivisionError), steered(backbone, [push_at(backbone)]):
        raise ZeroDivisionError
    assert hooks_on(backbone) == before
    assert torch.equal(logits(backbone), plain)


def test_the_model_is_clean_after_a_refused_intervention(llama: Backbone) -> None:
    before = hooks_on(llama)
    far = Intervention({7: torch.ones(llama.facts.width)}, 1.0)
    with pytest.raises(SettingError, match="layer 7 is out of range"), steered(llama, [far]):
        pass
    assert hooks_on(llama) == before


def test_tokens_before_the_steered_ones_stay_the_same(backbone: Backbone) -> None:
    plain = logits(backbone)
    with steered(backbone, [push_at(backbone, positions="generated")], [6, 6]):
        moved = logits(backbone)
    torch.testing.assert_close(moved[:, :6], plain[:, :6], atol=1e-5, rtol=1e-5)
    assert float((moved[:, 6] - plain[:, 6]).abs().max()) > 0.01


def test_a_row_without_intervention_stays_the_same(backbone: Backbone) -> None:
    plain = logits(backbone)
    with steered(backbone, [None, push_at(backbone)]):
        moved = logits(backbone)
    torch.testing.assert_close(moved[0], plain[0], atol=1e-5, rtol=1e-5)
    assert float((moved[1] - plain[1]).abs().max()) > 0.01


def test_padding_is_left_alone(llama: Backbone) -> None:
    mask = torch.tensor([[0, 0, 0, *[1] * 7], [1] * 10])
    seen: list[Tensor] = []
    handle = llama.anatomy.layers[1].register_forward_hook(lambda m, a, output: seen.append(hidden_of(output)))
    try:
        logits(llama, mask=mask)
        with steered(llama, [push_at(llama, positions="prompt")]):
            llama.anatomy.layers[1]._forward_hooks.move_to_end(handle.id)  # look after the push
            logits(llama, mask=mask)
    finally:
        handle.remove()
    plain, moved = seen
    assert (plain != moved).any(dim=-1).int().tolist() == [[0, 0, 0, 0, *[1] * 6], [0, *[1] * 9]]


def test_rows_and_interventions_must_be_as_many(llama: Backbone) -> None:
    with (
        pytest.raises(SettingError, match="the batch has 2 rows, but 3 were given to steer"),
        steered(llama, [push_at(llama)] * 3),
    ):
        logits(llama)
