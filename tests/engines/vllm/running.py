"""Real vLLM engines beside the default engine, with the same weights."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny import CHAT_TEMPLATE, random_pairs, tiny_model, tiny_tokenizer
from trimtab.engines import Model, Request, load
from trimtab.models import EncodedPair
from trimtab.steering import Gate, Intervention
from vllm_families import CHANGES

SMALL = {"max_model_len": 256, "max_num_seqs": 16}
_CPU_ONLY = str(Path(__file__).parent / "cpu_only")
RUNNERS = {
    "V1": {"VLLM_USE_V2_MODEL_RUNNER": "0"},
    "V2": {"VLLM_USE_V2_MODEL_RUNNER": "1", "TRITON_INTERPRET": "1", "PYTHONPATH": _CPU_ONLY},
}
"""Environment of vLLM's processes for each of its model runners; the second needs Triton's interpreter on a CPU."""
IN_PROCESS: dict[str, dict[str, Any]] = {"V1": {}, "V2": {"distributed_executor_backend": "mp"}}
"""Options for an engine inside this process: V2's worker has its own all the same, where Triton's interpreter is on."""


@dataclass(frozen=True)
class Both:
    """One model on two engines."""

    name: str
    vllm: Model
    plain: Model
    pairs: list[EncodedPair]

    @property
    def directions(self) -> torch.Tensor:
        """[n_layers, d_model], of norms that the layers have."""
        source = torch.Generator().manual_seed(1)
        return torch.randn(self.plain.facts.layers, self.plain.facts.width, generator=source)


def saved(name: str, folder: Path, *, endless: bool = False, **changes: Any) -> Path:
    """A tiny random model of a family as a folder that any engine can load; an `endless` one never ends a text."""
    model = tiny_model(name, **CHANGES[name], **changes)
    if endless:
        with torch.no_grad():
            model.get_output_embeddings().weight[2] = 0  # some other token is always likelier
    # Its own settings would name no end of text, or another.
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(folder)
    return folder


@contextmanager
def model_runner(name: str) -> Iterator[pytest.MonkeyPatch]:
    """Engines that start inside have this model runner; more of the environment can be set through what is given."""
    from vllm import envs

    if "TRITON_INTERPRET" in RUNNERS[name] and importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed, and the V2 model runner needs it")
    with pytest.MonkeyPatch.context() as patch:
        envs.disable_envs_cache()  # an engine inside this process has vLLM remember its environment
        for variable, value in RUNNERS[name].items():
            patch.setenv(variable, value, prepend=os.pathsep if variable == "PYTHONPATH" else None)
        if "TRITON_INTERPRET" in RUNNERS[name]:  # this process began without it, and runs no kernels
            patch.setattr("vllm.config.vllm.HAS_TRITON", True)
        yield patch


@contextmanager
def both(name: str, folder: Path, dtype: Any = "float32", **options: Any) -> Iterator[Both]:
    """Load a model on both engines; vLLM's processes end with the context."""
    from trimtab.data import dataset

    source = "smollm2-135m" if name == "bundled" else str(saved(name, folder))
    plain = load(source, dtype=dtype)
    vllm = load(source, dtype=dtype, engine="vllm", engine_options=SMALL | options)
    try:
        pairs = random_pairs(6)
        if name == "bundled":
            pairs = plain.encode(dataset("corrigible").pairs[:2], "choice")
        yield Both(name, vllm, plain, pairs)
    finally:
        vllm.close()


def states(model: Model, pairs: list[EncodedPair]) -> torch.Tensor:
    """Mean states over the positive completions, [pairs, n_layers, d_model]."""
    found = torch.zeros(len(pairs), model.facts.layers, model.facts.width)
    for captured in model.capture(pairs, "mean_completion"):
        found[captured.indices] = captured.positive
    return found


def nothing_is_held(model: Model) -> bool:
    """Whether no worker has a row taken or a state waiting, when no request is left."""
    dict(model.replies([Request((5, 6, 7), None, 1)]))  # rows are freed by the next pass
    engine: Any = model.engine
    return all((worker["rows_held"], worker["captured"]) == (0, 0) for worker in engine.status())


def every_kind(directions: torch.Tensor, positions: Any) -> dict[str, Intervention]:
    """One intervention of each kind: what fits a row of the table, and what does not."""
    last, middle = len(directions) - 1, len(directions) // 2
    at = {layer: directions[layer] for layer in range(len(directions))}
    raw = Intervention({middle: at[middle]}, 0.3, "raw", positions)
    gate = Gate({middle: at[0]}, {middle: 0.1})
    return {
        "raw": raw,
        "relative": Intervention({middle: at[middle]}, 0.2, "relative", positions),
        "several layers": Intervention({0: at[0], middle: at[middle], last: at[last]}, -0.1, "relative", positions),
        "last layer": Intervention({last: at[last]}, 0.3, "relative", positions),
        "two vectors": raw.and_also(Intervention({0: at[0]}, 0.1, "relative", positions)),
        "first token": Intervention({middle: at[middle]}, 0.1, "relative", positions, first_token=True),
        "two at one layer": raw.and_also(Intervention({middle: at[0]}, 0.1, "relative", positions)),
        "project_out": Intervention({middle: at[middle]}, 1.0, "project_out", positions),
        "clamp": Intervention({middle: at[middle]}, 0.5, "clamp", positions),
        "cap": Intervention({middle: at[middle]}, -0.1, "cap", positions),
        "floor": Intervention({middle: at[middle]}, 0.1, "floor", positions),
        "affine": Intervention({middle: at[middle]}, 0.4, "affine", positions, statistics={"negative_mean": at}),
        "transport": Intervention(
            {middle: at[middle]},
            0.4,
            "transport",
            positions,
            statistics={"transport_slope": {middle: 1 + 0.1 * at[0]}, "transport_offset": {middle: at[middle]}},
        ),
        "rotate": Intervention({middle: at[middle]}, 0.2, "rotate", positions),
        "gated": Intervention({middle: at[middle]}, 0.3, "relative", positions, gate=gate),
    }
