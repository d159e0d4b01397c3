"""Quantized weights: which formats a model can be put into when it is loaded, and what it holds without them."""

from __future__ import annotations

import copy
import importlib.util
import logging
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

        logging.getLogger("bitsandbytes.autograd._functions").addFilter(_not_of_every_product)
        computing = {"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in options else {}
        return BitsAndBytesConfig(**options, **computing)

    return make


def _not_of_every_product(record: logging.LogRecord) -> bool:
    """Whether a message is other than what bitsandbytes says of every product of every pass in float32."""
    return "inputs will be cast" not in record.getMessage()


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
    "quanto-int8": Format("optimum.quanto", "optimum-quanto", _quanto("int8"), "quanto, weights in 8 bits."),
    "quanto-int4": Format("optimum.quanto", "optimum-quanto", _quanto("int4"), "quanto, weights in 4 bits."),
    "torchao-int8": Format("torchao", "torchao", _torchao("Int8WeightOnlyConfig"), "torchao, weights in 8 bits."),
}
"""Formats by name."""
_WEIGHTS_ONLY = ("hqq", "gptq", "awq", "auto-round", "aqlm", "spqr", "vptq", "higgs", "eetq", "mxfp4")
"""Methods of transformers that leave states alone."""


def check_quantization(quantization: Quantization) -> None:
    """Refuse a name that is no format, and settings that name no method.

    Raises:
        SettingError: naming those that there are.
    """
    if isinstance(quantization, Mapping):
        if not isinstance(quantization.get("quant_method"), str):
            raise SettingError(
                "quantization: settings name their quant_method, such as {quant_method: quanto, weights: int2}"
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


def require_plain(name: str, config: Any) -> None:
    """Refuse to quantize what is quantized.

    Raises:
        SettingError: naming the format that it is in.
    """
    given = getattr(config, "quantization_config", None)
    if given:
        method = given.get("quant_method", "") if isinstance(given, dict) else getattr(given, "quant_method", "")
        raise SettingError(
            f"model {name!r} is quantized already ({getattr(method, 'value', method)}); leave out quantization"
        )


def rounds_states(model: Any) -> bool:
    """Whether products round the states of tokens to few bits, as LLM.int8() does, and not the weights alone.

    What they are rounded to may depend on the other rows of a pass.
    """
    config = getattr(model.config, "quantization_config", None)
    if config is None or not is_quantized(model):
        return False
    given = config if isinstance(config, dict) else config.to_dict()
    method = getattr(given.get("quant_method"), "value", given.get("quant_method"))
    if method == "bitsandbytes":
        return bool(given.get("load_in_8bit"))
    if method == "torchao":
        return "Dynamic" in str(given.get("quant_type"))
    if method == "quanto":
        return bool(given.get("activations"))
    return method not in _WEIGHTS_ONLY


def is_quantized(model: Any) -> bool:
    """Whether the weights of a model are in a format that packs them, by transformers or by a package of its own."""
    if getattr(model, "hf_quantizer", None) is not None or getattr(model, "is_quantized", False):
        return True
    return any(not parameter.is_floating_point() for parameter in model.parameters())


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
