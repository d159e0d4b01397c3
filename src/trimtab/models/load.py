"""Loading a model and its tokenizer, ready to be read and steered."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import ModelError, SettingError, TrimtabError
from trimtab.inputs.bounded_files import exists, expand_user
from trimtab.models._checkpoint import checkpoint_fingerprint
from trimtab.models._completeness import load_whole
from trimtab.models.architecture import ModelParts, locate_modules
from trimtab.models.bundled import BUNDLED, describe_source, resolve
from trimtab.models.context import NO_LIMIT, ContextLimit, context_of
from trimtab.models.eager import inference
from trimtab.models.facts import Facts, facts_of
from trimtab.models.fingerprint import fingerprint_of, sampled, weights_of
from trimtab.models.kinds.adapters import adapter_state, find_adapter, unwrapped, with_adapter
from trimtab.models.kinds.device_maps import Device, device_map_for, layer_devices, main_device, offload_folder
from trimtab.models.kinds.multimodal import class_for, text_tokenizer, with_processor_template
from trimtab.models.kinds.placement import input_device, place_in_words
from trimtab.models.kinds.quantization import (
    Quantization,
    check_quantization,
    is_quantized,
    quantization_config,
    rounds_states,
)
from trimtab.models.kinds.tensor_parallel import check_division, divided_options
from trimtab.models.precision import DType, choose_dtype
from trimtab.models.quiet import quiet_loading
from trimtab.models.streaming.layer_stream import LayerStream
from trimtab.models.streaming.streamed_model import load_streamed, sampling


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity:
    """What a model is, wherever its weights are."""

    name: str
    source: str
    tokenizer: Any
    facts: Facts
    fingerprint: str
    """Hashes of a sample of all weights and of the configuration, see `trimtab.models.fingerprint`; "" if unknown."""
    device: torch.device
    """Where the embeddings live, and so where token ids go."""
    dtype: torch.dtype
    """Number format of the weights."""
    ends: frozenset[int]
    """Tokens that end a text, by the model's own settings."""
    context: ContextLimit = NO_LIMIT
    """How long a text it takes."""

    @property
    def place(self) -> str:
        """Where it computes, in words."""
        return str(self.device)


@dataclass(frozen=True, eq=False, kw_only=True)
class Backbone(Identity):
    """A transformers model taken apart: the weights, the tokenizer, and where things are."""

    model: Any
    anatomy: ModelParts
    stream: LayerStream | None = None
    """Reads the decoder layers' weights when they are needed; None where the whole model is in memory."""

    @functools.cached_property
    def rounding(self) -> float:
        """Relative difference of states that is rounding: formats of 16 bits and fewer add up hundreds of them."""
        return 1e-4 if self.dtype == torch.float32 and not rounds_states(self.model) else 5e-2

    @functools.cached_property
    def devices(self) -> tuple[torch.device, ...]:
        """Devices that the decoder layers compute on, in their order."""
        return tuple(layer_devices(self.anatomy.layers))

    @property
    def place(self) -> str:
        """Devices that it computes on, and whether weights are brought to them or are elsewhere too."""
        return place_in_words(self.model, (self.device, *self.devices))

    def logits(self, hidden: Tensor) -> Tensor:
        """Unembed states of the residual stream behind the last layer: [n, d_model] → [n, vocabulary]."""
        with inference(self.model):
            logits: Tensor = self.anatomy.after_head(self.anatomy.head(self.anatomy.final_norm(hidden)))
        return logits

    def token_logits(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Logits of single tokens in float32, whatever the model's dtype: [n, d_model], [n, k] → [n, k].

        A bfloat16 product would round logits to an eighth, far too coarse for their differences. An unembedding that is
        packed or behind an adapter gives whole logits only, rounded as its format rounds them.
        """
        parts = self.anatomy
        if parts.head_weight is None:
            whole = self.logits(hidden).float()
            return whole.gather(1, tokens.to(whole.device))
        weight, bias = parts.head_weight, getattr(parts.head, "bias", None)
        with inference(self.model):
            normed, tokens = parts.final_norm(hidden).to(weight.device).float(), tokens.to(weight.device)
            logits = torch.einsum("nd,nkd->nk", normed, weight[tokens].float())
            if bias is not None:
                logits = logits + bias[tokens].float()
            return parts.after_head(logits)


def load_backbone(
    name: str = BUNDLED,
    *,
    dtype: DType | torch.dtype = "auto",
    device: Device = "auto",
    trust_remote_code: bool = False,
    quantization: Quantization = "",
    tensor_parallel: bool = False,
    stream: bool | None = False,
) -> Backbone:
    """Load a model by the bundled name, hub id, folder or GGUF file; or an adapter, with the model under it.

    With `stream`, the decoder layers stay in its files and are read when they are needed.

    Raises:
        ModelError: when it cannot be found or read, or is not a causal language model trimtab understands.
        SettingError: for an unknown dtype or quantization, a device that is not there, or a mapping that does not fit.
    """
    check_division(tensor_parallel, device, quantization)
    place = main_device(device)
    number_format = choose_dtype(dtype, place)
    check_quantization(quantization)
    with quiet_loading(), _explained(name):
        from transformers import AutoConfig

        path = resolve(name)
        adapter = find_adapter(path)
        base = path if adapter is None else _base_of(name, adapter.base)
        config = AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code)
        tokenizer = _tokenizer(path, base, trust_remote_code)
        if stream:
            model, layers = load_streamed(
                base, config, name=name, dtype=number_format, device=place, trust_remote_code=trust_remote_code
            )
            fingerprint = checkpoint_fingerprint(_files_of(path), model) if number_format == torch.float16 else ""
            source = describe_source(name)
            return wrap(model, tokenizer, name=name, source=source, fingerprint=fingerprint, stream=layers)
        load = functools.partial(class_for(config).from_pretrained, base)
        options: dict[str, Any] = {"dtype": number_format, "trust_remote_code": trust_remote_code}
        if quantization:
            _require_plain(name, config)
            options["quantization_config"] = quantization_config(quantization, number_format)
        empty = functools.cache(lambda: _without_weights(path, base, trust_remote_code, offline=False)[0])
        with _understood(name, None):
            options |= divided_options(adapter, empty()) if tensor_parallel else {}
            spread = None if tensor_parallel else device_map_for(name, device, place, number_format, empty)
        if quantization and spread is None:
            spread = {"": str(place)}
        with offload_folder(spread) as offload:
            if spread is not None:
                options |= {"device_map": spread, "offload_folder": offload and offload.path}
            model = load_whole(load, name if adapter is None else adapter.base, **options)
            if offload is not None:
                offload.belong_to(model)
        # Quantized models refuse to be moved.
        if spread is None and not tensor_parallel and model.device != torch.empty(0, device=place).device:
            model.to(place)
        if adapter is not None:
            model = with_adapter(model, adapter, name)
        model.eval().requires_grad_(False)
        # Numbers stored in float32 are others in float16, but the model is the same.
        plain = number_format == torch.float16 and adapter is None and not is_quantized(model)
        fingerprint = checkpoint_fingerprint(_files_of(path), model) if plain else ""
    return wrap(model, tokenizer, name=name, source=describe_source(name), fingerprint=fingerprint)


def wrap(
    model: Any,
    tokenizer: Any,
    *,
    name: str,
    source: str = "",
    fingerprint: str = "",
    stream: LayerStream | None = None,
) -> Backbone:
    """Take apart a transformers model that is already in memory, and leave it as it is.

    Args:
        model: a causal language model of any class; of a compiled, PEFT-wrapped or data-parallel one, the model inside.
        tokenizer: its own, or a processor that has it.
        name: what to call it.
        source: where it is from; the name by default.
        fingerprint: where it is known already.
        stream: of its decoder layers, where they are not in memory.

    Raises:
        ModelError: when trimtab does not understand its architecture, naming model and class.
    """
    with quiet_loading(), _understood(name, model):
        model, tokenizer = unwrapped(model), text_tokenizer(tokenizer)
        if stream is None:
            anatomy, seen = locate_modules(model), {}
        else:
            with sampling(model, stream) as seen:
                anatomy = locate_modules(model, stream.present)
        samples = (seen[key] if key in seen else sampled(weight) for key, weight in weights_of(model))
        return Backbone(
            name=name,
            source=source or name,
            model=model,
            tokenizer=tokenizer,
            facts=facts_of(model),
            anatomy=anatomy,
            fingerprint=fingerprint or fingerprint_of(model.config, samples, adapter_state(model)),
            device=input_device(model),
            dtype=model.get_input_embeddings().weight.dtype,
            ends=_ends(tokenizer, getattr(model, "generation_config", None)),
            context=context_of(model),
            stream=stream,
        )


def peek(name: str, *, trust_remote_code: bool = False, offline: bool = False) -> tuple[Facts, Any]:
    """Architecture facts and tokenizer of a model, without loading its weights; `offline` asks the hub's cache only."""
    with quiet_loading(), _explained(name):
        path = resolve(name)
        adapter = find_adapter(path)
        base = path if adapter is None else _base_of(name, adapter.base)
        model, tokenizer = _without_weights(path, base, trust_remote_code, offline)
        with _understood(name, model):
            return facts_of(model), tokenizer


def identify(name: str, *, dtype: torch.dtype, device: torch.device, trust_remote_code: bool = False) -> Identity:
    """What a model is, for an engine that holds its weights; they are on this machine's disk already.

    Raises:
        ModelError: when it cannot be found or read.
    """
    with quiet_loading(), _explained(name):
        from transformers import GenerationConfig

        path = resolve(name)
        model, tokenizer = _without_weights(path, path, trust_remote_code, offline=False)
        folder = _files_of(path)
        generation = None
        if (folder / "generation_config.json").is_file():
            generation = GenerationConfig.from_pretrained(folder)
        return Identity(
            name=name,
            source=describe_source(name),
            tokenizer=tokenizer,
            facts=facts_of(model),
            fingerprint=checkpoint_fingerprint(folder, model),
            device=device,
            dtype=dtype,
            ends=_ends(tokenizer, generation),
            context=context_of(model),
        )


def _files_of(path: str) -> Path:
    """The folder of a model that is on this machine's disk, in the hub's cache for example."""
    from huggingface_hub import snapshot_download

    if Path(path).is_dir():
        return Path(path)
    return Path(snapshot_download(path, local_files_only=True, allow_patterns=["*.safetensors", "*.json"]))


def _without_weights(path: str, base: str, trust_remote_code: bool, offline: bool) -> tuple[Any, Any]:
    """A transformers model on the meta device, and its tokenizer; of an adapter, those of its base model."""
    from transformers import AutoConfig

    options = {"trust_remote_code": trust_remote_code, "local_files_only": offline}
    config = AutoConfig.from_pretrained(base, **options)
    with torch.device("meta"):
        model = class_for(config).from_config(config, trust_remote_code=trust_remote_code)
    return model, _tokenizer(path, base, trust_remote_code, local_files_only=offline)


def _tokenizer(path: str, base: str, trust_remote_code: bool, **options: Any) -> Any:
    """The tokenizer of a model; an adapter may bring its own."""
    from transformers import AutoTokenizer

    own = path != base and Path(path).is_dir() and not (Path(path) / "tokenizer_config.json").is_file()
    source = base if own else path
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code, **options)
    return with_processor_template(tokenizer, Path(source))


def _base_of(name: str, base: str) -> str:
    try:
        return resolve(base)
    except ModelError as error:
        raise ModelError(
            f"model {name!r} is an adapter for {base!r}, which its adapter_config.json names: {error}"
        ) from error


def _require_plain(name: str, config: Any) -> None:
    """Refuse to quantize what is quantized."""
    given = getattr(config, "quantization_config", None)
    if given:
        method = given.get("quant_method", "") if isinstance(given, dict) else getattr(given, "quant_method", "")
        raise SettingError(
            f"model {name!r} is quantized already ({getattr(method, 'value', method)}); leave out quantization"
        )


def _ends(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's, and those of the model's settings for generation."""
    given = getattr(generation_config, "eos_token_id", None)
    ends = [tokenizer.eos_token_id, *(given if isinstance(given, list) else [given])]
    return frozenset(int(token) for token in ends if token is not None)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Translate what transformers and the hub raise, in this one place."""
    try:
        yield
    except TrimtabError:
        raise
    except Exception as error:  # transformers, tokenizers, safetensors and the hub raise whatever they like
        if isinstance(error, OSError) and not exists(expand_user(name)):
            raise ModelError(
                f"model {name!r}: neither a folder here nor a model that could be fetched from the hub. "
                f"The bundled one is called {BUNDLED!r}. ({_first_line(error)})"
            ) from error
        raise ModelError(f"model {name!r} cannot be loaded: {_first_line(error)}") from error


@contextmanager
def _understood(name: str, model: Any) -> Iterator[None]:
    """Explain what goes wrong with an architecture: whatever a foreign class raises while it is looked at and tried."""
    about = f"model {name!r}" + (f" ({type(model).__name__})" if model is not None else "")
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{about}: {error}") from error
    except TrimtabError:
        raise
    except Exception as error:  # configurations lack any key, and forward passes fail in any way
        raise ModelError(
            f"{about}: trimtab does not understand this architecture. It needs a causal language model made of decoder "
            f"layers, which runs on token ids alone. ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
