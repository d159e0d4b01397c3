"""How many tokens of a text a push changes: one that sets or bounds a projection may leave a state as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trimtab.engines.model import Model
from trimtab.models import Backbone
from trimtab.steering import Intervention, PushCheck, check_layers, steered
from trimtab.steering.push_check import arrived
from trimtab.steering.pushes import Look


def changed_tokens(model: Model, tokens: Sequence[int], prompt_length: int, intervention: Intervention) -> int:
    """Tokens at which any push arrives in the model's own dtype, see `arrived`; takes a pass over the text.

    Args:
        model: whose weights are in this process.
        tokens: of the text.
        prompt_length: how many of them are the prompt.
        intervention: what pushes.

    Raises:
        SettingError: for a layer that the model does not have, and a push that is rounded away at every token.
    """
    (found,) = model.in_turns(_counted(model, tokens, prompt_length, intervention))
    return found


@torch.no_grad()
def _counted(model: Model, tokens: Sequence[int], prompt_length: int, intervention: Intervention) -> Iterator[int]:
    backbone, counted = model.backbone, _CountedChanges()
    assert isinstance(backbone, Backbone), "the caller asks no other engine"
    check_layers([intervention], backbone.facts.layers)
    row = torch.tensor([list(tokens)], device=backbone.device)
    with steered(backbone, [intervention], [prompt_length], engine=True, check=counted):
        backbone.anatomy.decoder(input_ids=row, use_cache=False)
    yield counted.total


class _CountedChanges(PushCheck):
    """Counts the tokens that any push has changed, beside seeing that each changes one."""

    def __init__(self) -> None:
        super().__init__()
        self._changed: Tensor | None = None
        """Of the text's tokens [1, tokens]."""

    @property
    def total(self) -> int:
        """Tokens that were changed."""
        return 0 if self._changed is None else int(self._changed.sum())

    def look(self, cell: Intervention, layer: int) -> Look:
        """Count what each push shows."""
        check = super().look(cell, layer)

        def count(order: int, marks: Tensor, before: Tensor, after: Tensor, wanted: Tensor) -> None:
            if check is not None:
                check(order, marks, before, after, wanted)
            changed = arrived(before, after, wanted).cpu()
            self._changed = changed if self._changed is None else self._changed | changed

        return count
