"""A worker's own check, when its engine has started, that the passes it is about to make for requests are steered.

What runs then was compiled, maybe by an earlier process, and on a GPU recorded as graphs. If that happened without the
hooks, nothing is pushed and nothing fails. It is found out here by pushing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.engines.vllm.plugin._push_table import Armed, Step
from trimtab.errors import ModelError

if TYPE_CHECKING:
    from trimtab.engines.vllm.plugin._steering import Runner

_STRENGTHS = (1.0, 10.0)
"""Of the push, in units of its direction and of the state's norm. Nobody's tokens may have states of zeros, which only
the first moves, or states so long that only the second does."""
_MIN_CHANGE = 0.01
"""Share of a pass's result by which two equal passes never differ; these pushes change it by more than half."""


@torch.inference_mode()
def require_steered_passes(armed: Armed, seen: Runner, row: int) -> None:
    """Push behind each layer where one token is written, and behind all of them in a prompt, and see what comes out.

    All workers of a stage have the same layers, so they make the same passes.

    Args:
        armed: the worker's layers.
        seen: its model runner, which is ready for requests.
        row: of the table, one that nobody holds; empty again afterwards.

    Raises:
        ModelError: when a push changes nothing.
    """
    plain = _first_state(seen.decoding_pass())
    for layer in sorted(armed.layers):
        with _pushed(armed, row, (layer,)):
            pushes = f"a push behind layer {layer}"
            _require_change(plain, seen.decoding_pass, pushes, "a pass that writes one token")
    plain = _first_state(seen.prompt_pass())
    with _pushed(armed, row, tuple(armed.layers)):
        pushes = f"a push behind each of the layers {min(armed.layers)} to {max(armed.layers)}"
        _require_change(plain, seen.prompt_pass, pushes, "a pass over a prompt")


@contextmanager
def _pushed(armed: Armed, row: int, layers: tuple[int, ...]) -> Iterator[None]:
    """Every token of the passes inside is pushed behind these layers."""
    tokens = len(armed.row_of_token)
    armed.fill_row(row, layers, torch.linspace(-1.0, 1.0, armed.width), _STRENGTHS)
    armed.begin(torch.full((tokens,), row), Step())
    try:
        yield
    finally:
        armed.begin(torch.zeros(tokens, dtype=torch.long), Step())
        armed.clear_row(row)


def _require_change(plain: Tensor, run: Callable[[], Any], pushes: str, where: str) -> None:
    found = _first_state(run())
    if not bool(plain.isfinite().all() and found.isfinite().all()):
        raise ModelError(f"{where} of nobody's gives what are no numbers, so nothing can be learned of it")
    if not bool((found - plain).norm() > _MIN_CHANGE * plain.norm()):
        raise ModelError(
            f"{pushes} changes nothing in {where}: what runs there was compiled or recorded without trimtab's hooks, "
            "so this engine does not steer. Empty vLLM's cache (VLLM_CACHE_ROOT) and start again"
        )


def _first_state(output: Any) -> Tensor:
    """Of the first token of a pass, what the model hands on: the final state, or all that the next stage is given."""
    parts = [output] if torch.is_tensor(output) else list(output.tensors.values())
    return torch.cat([part.flatten(0, -2)[0].float() for part in parts])
