"""What every number is compared with: one text a pass, no cache, no padding, one plain forward hook.

Nothing of the engine is used here, nor of its position policies and pushes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Positions = Literal["all", "after_prompt", "generated"]


@dataclass(frozen=True)
class Push:
    """One steered layer, as plainly as it can be said."""

    layer: int
    scale: Literal["raw", "relative"]
    strength: float
    positions: Positions


@dataclass
class Reference:
    """Runs a model text by text and remembers what it found."""

    model: Any
    layers: Sequence[nn.Module]
    directions: Tensor
    """[n_layers, d_model]."""

    def __post_init__(self) -> None:
        ropes = str(getattr(self.model.config.get_text_config(), "rope_parameters", None))
        # Such rope keeps the frequencies of the longest text so far, until a short one comes.
        self._remembers = "dynamic" in ropes or "longrope" in ropes
        self._logits: dict[object, Tensor] = {}
        self._states: dict[tuple[int, ...], Tensor] = {}

    def logits(self, tokens: Sequence[int], prompt_length: int, push: Push | None) -> Tensor:
        """[tokens, vocabulary]."""
        key = (tuple(tokens), prompt_length, push)
        if key not in self._logits:
            hooks = {} if push is None else {self.layers[push.layer]: self._hook(push, prompt_length)}
            self._logits[key] = self._run(tokens, hooks)
        return self._logits[key]

    def states(self, tokens: Sequence[int]) -> Tensor:
        """Unsteered output of every layer, [n_layers, tokens, d_model]."""
        if tuple(tokens) not in self._states:
            seen: list[Tensor] = []

            def keep(module: nn.Module, args: Any, output: Any) -> None:
                seen.append((output if torch.is_tensor(output) else output[0])[0].clone())

            self._run(tokens, dict.fromkeys(self.layers, keep))
            self._states[tuple(tokens)] = torch.stack(seen)
        return self._states[tuple(tokens)]

    @torch.no_grad()
    def _run(self, tokens: Sequence[int], hooks: Mapping[nn.Module, Any]) -> Tensor:
        if self._remembers:
            self.model(torch.tensor([[tokens[0]]]), use_cache=False)
        handles = [layer.register_forward_hook(hook) for layer, hook in hooks.items()]
        try:
            found: Tensor = self.model(torch.tensor([list(tokens)]), use_cache=False).logits[0]
        finally:
            for handle in handles:
                handle.remove()
        return found

    def _hook(self, push: Push, prompt_length: int) -> Any:
        direction = self.directions[push.layer]
        first = {"all": 1, "after_prompt": prompt_length - 1, "generated": prompt_length}[push.positions]

        def steer(module: nn.Module, args: Any, output: Any) -> Any:
            hidden = (output if torch.is_tensor(output) else output[0]).clone()
            for place in range(max(first, 1), hidden.shape[1]):  # the first token, the attention sink, is left alone
                state = hidden[0, place]
                if push.scale == "raw":
                    hidden[0, place] = state + push.strength * direction
                else:
                    hidden[0, place] = state + push.strength * state.norm() * direction / direction.norm()
            return hidden if torch.is_tensor(output) else (hidden, *output[1:])

        return steer
