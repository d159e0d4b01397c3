"""Quantized weights: which formats a model can be put into when it is loaded, and what it holds without them."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trimtab._util.suggest import hint
from trimtab.errors import ModelError, SettingError

Quantization = str | Mapping[str, Any]
"""A name of `QUANTIZATIONS`, or the settings of one of transformers' formats, as a config.json holds them."""


@dataclass(frozen=True)
class Format:
    """A number format that weights are put into."""

    module: str
    package: str
    make: Callable[[torch.dtype], Any]
    """From the dtype that passes compute in to transformers' configuration."""
    about: str


def _bnb(**options: Any) -> Callable[[torch.dtype], Any]:
    def make(dtype: torch.dtype) -> Any:
        from transformers import BitsAndBytesConfig

        computing = {"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in options else {}
        return BitsAndBytesConfig(**options, **computing)

    return make


def _hqq(bits: int) -> Callable[[torch.dtype], Any]:
    def make(dtype: torch.dtype) -> Any:
        from transformers import HqqConfig

        return HqqConfig(nbits=bits, group_size=64)

    return make


def _quanto(weights: str) -> Callable[[torch.dtype], Any]:
    def make(dtype: torch.dtype) -> Any:
        from transformers import QuantoConfig

        return QuantoConfig(weights=weights)

    return make


def _torchao(kind: str, **options: Any) -> Callable[[torch.dtype], Any]:
    def make(dtype: torch.dtype) -> Any:
        from torchao import quantization as torchao
        from transformers import TorchAoConfig

        return TorchAoConfig(quant_type=getattr(torchao, kind)(**options))

    return make


QUANTIZATIONS: dict[str, Format] = {
    "bnb-8bit": Format("bitsandbytes", "bitsandbytes", _bnb(load_in_8bit=True), "LLM.int8() of bitsandbytes."),
    "bnb-4bit": Format(
        "bitsandbytes", "bitsandbytes", _bnb(load_in_4bit=True, bnb_4bit_quant_type="nf4"), "NF4 of bitsandbytes."
    ),
    "hqq-8bit": Format("hqq", "hqq", _hqq(8), "HQQ in 8 bits, groups of 64."),
    "hqq-4bit": Format("hqq", "hqq", _hqq(4), "HQQ in 4 bits, groups of 64."),
    "quanto-int8": Format("optimum.quanto", "optimum-quanto", _quanto("int8"), "quanto, weights in 8 bits."),
    "quanto-int4": Format("optimum.quanto", "optimum-quanto", _quanto("int4"), "quanto, weights in 4 bits."),
    "torchao-int8": Format("torchao", "torchao", _torchao("Int8WeightOnlyConfig"), "torchao, weights in 8 bits."),
}
"""Formats by name."""


def check_quantization(quantization: Quantization) -> None:
    """Refuse a name that is no format, and settings that name no method.

    Raises:
        SettingError: naming those that there are.
    """
    if isinstance(quantization, Mapping):
        if not isinstance(quantization.get("quant_method"), str):
            raise SettingError(
                "quantization: settings of a format name their quant_method, such as {quant_method: hqq, nbits: 3}"
            )
        return
    if quantization and quantization not in QUANTIZATIONS:
        raise SettingError(f"quantization {quantization!r} is unknown{hint(quantization, QUANTIZATIONS, 'formats')}")


def quantization_config(quantization: Quantization, dtype: torch.dtype) -> Any:
    """Make the configuration that transformers has of a format.

    Raises:
        SettingError: for an unknown one, or settings that it does not have.
        ModelError: where its package is not installed.
    """
    from transformers.quantizers import AutoQuantizationConfig

    check_quantization(quantization)
    if isinstance(quantization, Mapping):
        try:
            return AutoQuantizationConfig.from_dict(dict(quantization))
        except (ValueError, TypeError) as error:
            raise SettingError(f"quantization {dict(quantization)}: {error}") from error
    known = QUANTIZATIONS[quantization]
    if importlib.util.find_spec(known.module.partition(".")[0]) is None:
        raise ModelError(f"quantization {quantization} needs the package {known.package}: pip install {known.package}")
    return known.make(dtype)


def is_quantized(model: Any) -> bool:
    """Whether transformers has put the weights of a model into another format, or loaded them in one."""
    return getattr(model, "hf_quantizer", None) is not None or bool(getattr(model, "is_quantized", False))


def unpacked(model: Any) -> Any:
    """The same model with plain weights, on the meta device: packed ones, several to a number, cannot be counted."""
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        return type(model)(config)


def plain_values(weight: Tensor) -> Tensor:
    """The numbers of a weight: those that a tensor of a format of its own stands for."""
    weight = weight.detach()
    if type(weight) in (Tensor, torch.nn.Parameter) or not hasattr(weight, "dequantize"):
        return weight
    found: Tensor = weight.dequantize()
    return found
