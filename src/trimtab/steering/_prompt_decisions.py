"""Gates on the prompt in passes that others run: each row's prompt is read once, unsteered, when it comes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from trimtab.errors import SettingError
from trimtab.models import Backbone, hidden_of
from trimtab.models.eager import inference
from trimtab.steering.arming import engine_hooks_only, one_pass
from trimtab.steering.gates import PromptGate, require_readable

_REMEDY = "; run the whole prompt in one pass inside of the steer context, or use trimtab's own generate() or chat()"


class PromptDecisions:
    """What some gates say of the prompts of one steering context."""

    def __init__(self, backbone: Backbone, gates: Sequence[PromptGate]):
        self._backbone = backbone
        self.gates = list({id(gate): gate for gate in gates}.values())
        self.prompts: dict[tuple[int, ...], tuple[bool, ...]] = {}
        """Prompt → what each gate says of it."""
        self._by_cache: WeakKeyDictionary[Any, list[tuple[bool, ...]]] = WeakKeyDictionary()
        self._rows: list[tuple[bool, ...]] | None = None

    def decide(
        self, ids: Tensor | None, cache: Any, past: int, in_prompt: Tensor, lengths: Tensor
    ) -> dict[int, Tensor]:
        """What each gate says of the rows of a pass that is about to run: id of the gate → boolean [rows].

        Args:
            ids: tokens of the pass [rows, width].
            cache: of the pass, if any.
            past: tokens in the cache.
            in_prompt: True at tokens of the prompt, padding aside [rows, width].
            lengths: tokens of each row's prompt [rows].

        Raises:
            SettingError: where the pass does not hold the whole prompt, and it was not run before in this context.
        """
        if past:
            rows = self._by_cache.get(cache)
            if rows is None or len(rows) != len(lengths):
                raise SettingError("a gate on the prompt cannot be decided: the cache was filled elsewhere" + _REMEDY)
        else:
            if ids is None:
                raise SettingError("a gate on the prompt reads tokens, and a pass brings embeddings" + _REMEDY)
            if not bool((in_prompt.sum(1) == lengths.to(in_prompt.device)).all()):
                raise SettingError("a gate on the prompt cannot be decided: a pass holds only a part of it" + _REMEDY)
            rows = [
                self._of(tuple(row[mine].tolist())) for row, mine in zip(ids, in_prompt.to(ids.device), strict=True)
            ]
        self._rows = rows
        if cache is not None:
            self._by_cache[cache] = rows
        return {id(gate): torch.tensor([row[place] for row in rows]) for place, gate in enumerate(self.gates)}

    def note_cache(self, cache: Any) -> None:
        """After a pass: a cache that the model has made in it belongs to the pass's rows."""
        if cache is not None and self._rows is not None and cache not in self._by_cache:
            self._by_cache[cache] = self._rows

    def _of(self, prompt: tuple[int, ...]) -> tuple[bool, ...]:
        if prompt not in self.prompts:
            states = self._unsteered(prompt)
            self.prompts[prompt] = tuple(gate.opens(states[gate.layer]) for gate in self.gates)
        return self.prompts[prompt]

    @torch.no_grad()
    def _unsteered(self, prompt: tuple[int, ...]) -> dict[int, Tensor]:
        """States of the prompt's tokens behind its first, by layer, from a pass in which nobody steers."""
        require_readable(prompt)
        model, parts, states = self._backbone.model, self._backbone.anatomy, {}

        def keep(layer: int) -> Any:
            def hook(module: nn.Module, args: Any, output: Any) -> None:
                states[layer] = hidden_of(output)[0, 1:].float().cpu()

            return hook

        with engine_hooks_only(), inference(model), one_pass(model) as hooks:
            for layer in sorted({gate.layer for gate in self.gates}):
                hooks.after(parts.layers[layer], keep(layer))
            parts.decoder(input_ids=torch.tensor([prompt], device=self._backbone.device), use_cache=False)
        return states
