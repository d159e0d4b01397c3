"""Adapters of PEFT, in memory and in folders: LoRA and its relatives, whose layers stand in the base model."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from trimtab.errors import ModelError, shortened
from trimtab.inputs.bounded_files import MIB, FileKind, require_file
from trimtab.inputs.json_text import read_json

CONFIG_FILE = "adapter_config.json"
_CONFIG = FileKind("adapter configuration", 8 * MIB, ModelError)
_WEIGHTS = FileKind("file of adapter weights", 2**50, ModelError)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
MAX_NAMED = 8
"""Tensors that a message names."""


@dataclass(frozen=True)
class Adapter:
    """An adapter that is on the disk or the hub."""

    path: str
    base: str
    """The model that it was trained on, as its configuration names it."""


def unwrapped(model: Any) -> Any:
    """The transformers model inside of what stands around it: a compiled form, a PEFT model, data parallelism.

    Raises:
        ModelError: for adapters that put tokens in front of every text.
    """
    while True:
        if (inner := getattr(model, "_orig_mod", None)) is not None:
            model = inner
        elif isinstance(model, _WRAPPERS):
            model = model.module
        elif isinstance(model, _peft_models()):
            _require_layers(model)
            model = model.base_model.model
        else:
            return model


def _peft_models() -> tuple[Any, ...]:
    """PEFT's own classes around a model; none where nobody has imported it, for then there is no such model."""
    peft = sys.modules.get("peft")
    return () if peft is None else (peft.PeftModel, peft.PeftMixedModel)


def _require_layers(model: Any) -> None:
    for name, config in model.peft_config.items():
        if getattr(config, "is_prompt_learning", False):
            kind = str(getattr(config.peft_type, "value", config.peft_type)).lower().replace("_", " ")
            raise ModelError(
                f"adapter {name!r} is {kind}: it puts its own tokens in front of every text, and trimtab cannot "
                "place them. Adapters that change layers, such as LoRA, can be read and steered; the base model is "
                "model.get_base_model()"
            )


def find_adapter(path: str) -> Adapter | None:
    """The adapter at a path, which is a folder or a hub id; None where a whole model is there.

    Raises:
        ModelError: when its configuration cannot be read or names no base model.
    """
    from transformers.utils import find_adapter_config_file

    found = find_adapter_config_file(path)
    if found is None:
        return None
    config = read_json(Path(found), _CONFIG, allow_nan=True)
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if not isinstance(base, str) or not base:
        raise _CONFIG.fault(Path(found), "names no base_model_name_or_path, so its base model is unknown")
    return Adapter(path, base)


def check_adapter_folder(folder: Path) -> None:
    """Refuse a folder whose adapter is not there, or where a pipe or a device stands for it."""
    require_file(folder / CONFIG_FILE, _CONFIG)
    files = [folder / name for name in ("adapter_model.safetensors", "adapter_model.bin")]
    present = [file for file in files if file.exists()]
    if not present:
        raise ModelError(f"{folder}: has an {CONFIG_FILE}, and no adapter_model.safetensors beside it")
    for file in present:
        require_file(file, _WEIGHTS)


def with_adapter(model: Any, adapter: Adapter, name: str) -> Any:
    """Put an adapter's layers into its base model and return that.

    Raises:
        ModelError: when peft is not installed, or the adapter does not fit or is not whole.
    """
    try:
        import peft
    except ImportError as error:
        raise ModelError(
            f"model {name!r} is an adapter for {adapter.base}, which is put in with the package peft: pip install peft"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is missing is refused below
        wrapped = peft.PeftModel.from_pretrained(model, adapter.path)
        loaded = peft.utils.load_peft_weights(adapter.path, device="cpu")
    inner = unwrapped(wrapped)
    wanted = peft.get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    known = {key.removeprefix("base_model.model.") for key in wanted} | set(inner.state_dict())
    problems = [f"{key} is missing" for key in sorted(set(wanted) - set(loaded))]
    problems += [
        f"{key} is there, and the model has no place for it"
        for key in sorted(loaded)
        if key.removeprefix("base_model.model.") not in known
    ]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in shortened(problems, MAX_NAMED))
        raise ModelError(
            f"model {name!r}: the adapter's file is not the adapter that its {CONFIG_FILE} describes for "
            f"{adapter.base}:\n{shown}\nGet its files again, or check the base model."
        )
    return inner


def has_adapters(model: nn.Module) -> bool:
    """Whether layers of an adapter stand in a model."""
    return next(_adapted(model), None) is not None


def _adapted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        if hasattr(module, "base_layer") and hasattr(module, "active_adapters"):
            yield name, module


def adapter_state(model: nn.Module) -> str:
    """Which adapters act in which strength, as text: with others the same tensors are another model; "" without any."""
    states = {}
    for name, module in _adapted(model):
        scaling = getattr(module, "scaling", {})
        acting = {} if module.disable_adapters else {a: scaling.get(a, 1.0) for a in module.active_adapters}
        states[name] = {"acting": acting, "merged": list(getattr(module, "merged_adapters", []))}
    return json.dumps(states, sort_keys=True, default=str) if states else ""


def adapter_parameters(model: nn.Module) -> int:
    """Parameters that adapters add to a model; copies that stand in place of the original add none."""
    parts = {
        id(parameter): parameter.numel()
        for _, module in _adapted(model)
        for name in module.adapter_layer_names
        for parameter in _parameters(getattr(module, name, None))
    }
    return sum(parts.values())


def _parameters(part: Any) -> Iterator[nn.Parameter]:
    if isinstance(part, nn.Module | nn.ParameterDict | nn.ParameterList):
        yield from part.parameters()
