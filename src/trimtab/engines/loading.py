"""Loading a model into an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.engines.model import Model
from trimtab.engines.registry import DEFAULT_ENGINE, ENGINES, LoadOptions
from trimtab.models import BUNDLED, DType


def load(
    name: str = BUNDLED,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    memory_bytes: int | None = None,
    trust_remote_code: bool = False,
    engine: str = DEFAULT_ENGINE,
    engine_options: Mapping[str, Any] | None = None,
) -> Model:
    """Load a model: the bundled one by default, or a hub id, a folder, a `.gguf` file.

    Args:
        name: what to load.
        dtype: `auto` takes bfloat16 where the processor multiplies it natively, else float32.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        memory_bytes: what activations may take in a sweep; half of the free memory of a GPU, 1 GiB on a CPU.
        trust_remote_code: whether the model's repository may run its own Python code here.
        engine: a name of `trimtab.engines.ENGINES`: `transformers`, or `vllm` for models and amounts of work beyond
            one process.
        engine_options: for vLLM, its own arguments, such as `tensor_parallel_size`; see `trimtab.engines.vllm.launch`.

    Raises:
        ModelError: when the model cannot be found, read or understood, or the engine is not there.
        SettingError: for an unknown dtype, a device that is not there, or options that the engine does not have.
    """
    kind = ENGINES.get(engine)
    kind.check_placement(device, memory_bytes)
    options = LoadOptions(dtype, device, memory_bytes, trust_remote_code, engine_options or {})
    identity, running = kind.start(name, options)
    try:
        return Model(identity, engine=running)
    except BaseException:  # whatever it is, the engine's processes must not outlive it
        running.close()
        raise
