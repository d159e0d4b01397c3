"""What a plan is made for: a model, its numbers, and the machine or GPU that would run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trimtab.engines import ENGINES
from trimtab.engines.transformers.packing.budget import Budget, budget_for
from trimtab.errors import SettingError
from trimtab.models import Asking, Facts, StreamPlan, choose_dtype, main_device, peek_stream
from trimtab.models.bundled import resolve
from trimtab.study._file_locations import located
from trimtab.study.plan._estimates import Reached, hub_answers, reach_model
from trimtab.study.plan.accelerators import Accelerator
from trimtab.study.settings.model_setting import ModelSetting


@dataclass(frozen=True)
class Target:
    """A model on what it would run on."""

    reached: Reached
    dtype: torch.dtype
    device: torch.device
    budget: Budget
    by_requests: bool = False
    """Whether every cell of every text is a request of its own that runs all of its tokens, as with vLLM. What it finds
    again of texts that begin alike is not known beforehand."""
    stream: StreamPlan | None = None
    """Of a model whose layers would be read from its files."""

    def passes_of(self, steered: Iterable[tuple[int, ...]]) -> float:
        """Passes through the whole model that cells in these layers are worth, beside the unsteered one.

        On the staircase a cell that joins behind layer ℓ goes through the layers above ℓ only.
        """
        cells = list(steered)
        n_layers = self.facts.layers
        return len(cells) if self.by_requests else sum(n_layers - 1 - layers[0] for layers in cells) / n_layers

    @property
    def asking(self) -> Asking:
        """How the model is asked."""
        return self.reached.asking

    @property
    def facts(self) -> Facts:
        """Of the model."""
        return self.reached.facts

    @property
    def weight_bytes(self) -> int:
        """Size of its weights."""
        return self.facts.parameters * self.dtype.itemsize


def target_for(model: ModelSetting, gpu: Accelerator | None, folder: Path) -> Target:
    """A model, in a folder if it is a relative path, on a GPU from a data sheet, or on this machine.

    Raises:
        SettingError: When the GPU's speed is not known for the model's dtype.
        ModelError: when the model cannot be reached and the study gives too few facts to plan without.
    """
    reached = reach_model(model, folder)
    if gpu is None:
        device = main_device(model.device)
        dtype = choose_dtype(model.dtype, device)
        budget = budget_for(reached.facts, [device], dtype)
        stream = _stream(model, reached, model.stream, dtype, device, folder)
        return Target(reached, dtype, device, budget, model.by_requests, stream)
    if model.dtype == "float32":
        raise SettingError(f"{model.label}: accelerators are known by their speed in 16 bits; leave dtype out")
    dtype = torch.bfloat16 if model.dtype == "auto" else choose_dtype(model.dtype)
    # As on a GPU that is here: half of its memory for activations, what they come to is counted with the weights.
    device = torch.device("cuda")
    budget = budget_for(reached.facts, [device], dtype, gpu.memory_bytes // 2)
    # Whether it would fit there is what the plan is asked for; how fast that machine's disk is, nobody knows.
    stream = _stream(model, reached, model.stream or False, dtype, None, folder)
    stream = stream and replace(stream, bytes_per_second=None)
    return Target(reached, dtype, device, budget, model.by_requests, stream)


def _stream(
    model: ModelSetting, reached: Reached, stream: bool | None, dtype: torch.dtype, place: torch.device | None,
    folder: Path,
) -> StreamPlan | None:  # fmt: skip
    """How the model would be streamed; on another machine (without a place) only where it is asked for."""
    whole = ENGINES.get(model.engine).streams and model.tensor_parallel == 1
    if not whole or (place is None and not stream):
        return None
    if reached.note:  # its configuration, from which layers and the rest are told apart, is not here
        return StreamPlan.of_facts(reached.facts, dtype) if stream else None
    name = located(model.id, folder)
    return peek_stream(
        name, stream=stream, dtype=dtype, place=place or torch.device("cpu"), device=model.device,
        quantization=model.quantization, offline=not Path(resolve(name)).is_dir() and not hub_answers(),
    )  # fmt: skip
