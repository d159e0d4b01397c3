"""Loading a model into an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.engines.model import Model
from trimtab.engines.registry import DEFAULT_ENGINE, ENGINES, LoadOptions
from trimtab.models import BUNDLED, Asking, DType, SystemRole, Template, Thinking


def load(
    name: str = BUNDLED,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    memory_bytes: int | None = None,
    trust_remote_code: bool = False,
    engine: str = DEFAULT_ENGINE,
    engine_options: Mapping[str, Any] | None = None,
    template: Template = "chat",
    thinking: Thinking = "off",
    system_role: SystemRole = "system",
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
        template: `chat`: prompts are put into the model's chat template, for a base model into a plain dialogue;
            `none`: they are text as they are.
        thinking: `on`: a model that can think before it replies does; vectors are then read, and pushes are made,
            behind a prompt that asks for it.
        system_role: `user`: system prompts stand at the beginning of the first user message, for templates without
            that role.

    Raises:
        ModelError: when the model cannot be found, read or understood, or the engine is not there.
        SettingError: for an unknown dtype, a device that is not there, options that the engine does not have, and ways
            of asking that are none.
    """
    asking = Asking(template, thinking, system_role)
    kind = ENGINES.get(engine)
    kind.check_placement(device, memory_bytes)
    options = LoadOptions(dtype, device, memory_bytes, trust_remote_code, engine_options or {})
    identity, running = kind.start(name, options)
    try:
        return Model(identity, engine=running, asking=asking)
    except BaseException:  # whatever it is, the engine's processes must not outlive it
        running.close()
        raise
