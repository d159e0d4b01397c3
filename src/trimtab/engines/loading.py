"""Loading a model into an engine, or taking one that is in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from trimtab.engines.model import Model
from trimtab.engines.registry import DEFAULT_ENGINE, ENGINES, LoadOptions
from trimtab.errors import SettingError
from trimtab.models import BUNDLED, Asking, Device, DType, Quantization, SystemRole, Template, Thinking


def load(
    model: str | nn.Module = BUNDLED,
    tokenizer: Any = None,
    *,
    name: str = "",
    dtype: DType = "auto",
    device: Device = "auto",
    quantization: Quantization = "",
    stream: bool | None = None,
    tensor_parallel: bool = False,
    memory_bytes: int | None = None,
    trust_remote_code: bool = False,
    engine: str = DEFAULT_ENGINE,
    engine_options: Mapping[str, Any] | None = None,
    template: Template = "chat",
    thinking: Thinking = "off",
    system_role: SystemRole = "system",
) -> Model:
    """Load a model, the bundled one by default: a hub id, a folder, a `.gguf` file, an adapter. Or take one in memory.

    A model in memory stays the caller's: it is not moved, not put into another mode, and left without hooks.

    Args:
        model: what to load, or a transformers model in memory (PEFT-wrapped, quantized, on several devices or not).
        tokenizer: of a model in memory, or its processor.
        name: what to call a model in memory; where it is from by default.
        dtype: `auto` takes bfloat16 where the processor multiplies it natively, else float32.
        device: `auto`: the best one, or all GPUs where the weights exceed the free memory of one; `cpu`, `cuda`,
            `cuda:1`, `mps`; `balanced` spreads the layers over all GPUs; a mapping such as {"": 0, "model.layers.9":
            1, "model.layers.10": "disk"} places each module as the longest name that contains it says.
        quantization: put the weights into a format of fewer bits, a name of `trimtab.models.QUANTIZATIONS`, or the
            settings of one of transformers' own, such as {"quant_method": "quanto", "weights": "int2"}.
        stream: hold embeddings, norms and unembedding in memory, and read each decoder layer from the model's files
            when it is needed; by default where the weights do not fit into memory, which a warning says. False
            refuses to load such a model.
        tensor_parallel: divide each layer over the processes that torchrun has started, each of which makes the same
            calls; for models that transformers has a plan for.
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
    options = LoadOptions(
        dtype, device, memory_bytes, trust_remote_code, engine_options or {}, quantization, stream, tensor_parallel
    )
    if isinstance(model, nn.Module):
        _require_as_it_is(options, engine)
        return Model.wrap(model, tokenizer, name=name, memory_bytes=memory_bytes, asking=asking)
    if tokenizer is not None or name:
        raise SettingError("tokenizer and name are for a model in memory; a model that is loaded has its own")
    kind = ENGINES.get(engine)
    kind.check_placement(device, memory_bytes, quantization)
    kind.check_stream(stream)
    if tensor_parallel and engine != DEFAULT_ENGINE:
        raise SettingError(f"tensor_parallel works with the default engine only; for {engine}, use its engine_options")
    identity, running = kind.start(str(model), options)
    try:
        return Model(identity, engine=running, asking=asking)
    except BaseException:  # whatever it is, the engine's processes must not outlive it
        running.close()
        raise


def _require_as_it_is(options: LoadOptions, engine: str) -> None:
    """Refuse options that would change a model in memory, or do nothing.

    Raises:
        SettingError: naming them.
    """
    default = LoadOptions()
    names = ("dtype", "device", "quantization", "stream", "tensor_parallel", "trust_remote_code", "engine_options")
    given = [option for option in names if getattr(options, option) != getattr(default, option)]
    given += ["engine"] if engine != DEFAULT_ENGINE else []
    if given:
        raise SettingError(
            f"a model in memory is taken as it is, so leave out {', '.join(given)}: load it with transformers in the "
            "dtype, on the devices and in the format that you want"
        )
