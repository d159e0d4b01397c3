"""Loading a model whose decoder layers stay in the checkpoint: transformers loads the rest, and checks all of it."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import ModelError
from trimtab.models._completeness import load_whole
from trimtab.models._folder_files import read_weight_map
from trimtab.models.architecture import decoder_layers
from trimtab.models.fingerprint import sampled
from trimtab.models.kinds.multimodal import class_for
from trimtab.models.streaming._layer_plan import CheckpointLayer, NotStreamable, Part, parts_of, streamed_names
from trimtab.models.streaming._read_buffers import ReadBuffers
from trimtab.models.streaming._tensor_files import StoredTensor, TensorFile
from trimtab.models.streaming.layer_stream import LayerStream

LAYERS_AT_ONCE = 2
"""The one that is in place and the one that is read ahead."""
_DEQUANTIZED = "fp8"
"""The method whose weights transformers makes plain where no GPU computes with them."""
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def load_streamed(
    base: str, config: Any, *, name: str, dtype: torch.dtype, device: torch.device, trust_remote_code: bool
) -> tuple[Any, LayerStream]:
    """A transformers model with its embeddings, norms and unembedding, and the stream of its layers' weights.

    Args:
        base: Folder or hub id.
        config: Of the model.
        name: For messages.
        dtype: That passes compute in.
        device: Where they run.
        trust_remote_code: Whether the model's repository may run its own code here.

    Raises:
        NotStreamable: When its files are none that a layer can be read from by itself.
        ModelError: When they do not hold the whole model, or cannot be read.
    """
    from transformers import GenerationConfig

    quantizer = dequantizer_of(config, name)
    tensors = tensors_of(base, name)
    skeleton = skeleton_of(config, trust_remote_code)
    names = streamed_names(skeleton, decoder_layers(skeleton)[1])
    parts = parts_by_layer(skeleton, names, tensors, quantizer)
    streamed = {source for layer in parts for part in layer for source, _ in part.sources}
    faults: list[ModelError] = []
    state = {key: _Entry(tensor, key in streamed, faults) for key, tensor in tensors.items()}
    load = functools.partial(type(skeleton).from_pretrained, None, config=skeleton.config, state_dict=state)
    try:
        model = load_whole(load, name, dtype=dtype)
    except Exception:
        if faults:  # transformers only says of which weights they were
            raise faults[0] from None
        raise
    model.config.name_or_path = model.name_or_path = base
    with suppress(OSError):  # without the file, it has that of its configuration
        model.generation_config = GenerationConfig.from_pretrained(base)
    model.eval().requires_grad_(False)
    model._apply(lambda tensor: tensor if tensor.is_meta else tensor.to(device))
    layers = decoder_layers(model)[1]
    prefixes = {id(module): f"{path}." for path, module in model.named_modules()}
    buffers = ReadBuffers()
    sources = [
        CheckpointLayer(model, prefixes[id(layer)], own, made, tensors, buffers)
        for layer, own, made in zip(layers, names, parts, strict=True)
    ]
    buffers.limit = LAYERS_AT_ONCE * max(source.footprint for source in sources)
    return model, LayerStream(layers, sources, device)


def skeleton_of(config: Any, trust_remote_code: bool) -> Any:
    """A transformers model on the meta device, without weights."""
    with torch.device("meta"):
        return class_for(config).from_config(config, trust_remote_code=trust_remote_code)


def dequantizer_of(config: Any, name: str) -> Any:
    """What makes plain weights of a checkpoint's quantized ones, tensor by tensor; None for plain weights.

    Of weights in 8 bits with a scale for each block (`fp8`), transformers makes plain ones when it loads them where
    there is no GPU to compute with them as they are. The same is done here with each layer.

    Raises:
        NotStreamable: For other quantized weights, with what to take.
    """
    settings = getattr(config, "quantization_config", None)
    if not settings:
        return None
    settings = settings if isinstance(settings, dict) else settings.to_dict()
    method = settings.get("quant_method", "")
    if method != _DEQUANTIZED or torch.cuda.is_available() or torch.xpu.is_available():
        here = "" if method != _DEQUANTIZED else " on this machine, whose GPU computes with them as they are"
        raise NotStreamable(
            f"model {name!r} is quantized ({method or 'by an unknown method'}), and packed weights are prepared when "
            f"the whole model is loaded: it cannot be streamed{here}. Take the model's plain weights (safetensors), or "
            "stream=False (--no-stream)"
        )
    from transformers.quantizers.auto import AutoHfQuantizer

    quantizer = AutoHfQuantizer.from_config(copy.deepcopy(settings), pre_quantized=True)
    quantizer.quantization_config.dequantize = True
    return quantizer


def tensors_of(base: str, name: str) -> dict[str, StoredTensor]:
    """Every tensor of a checkpoint in safetensors; those of a model on the hub are fetched first."""
    from transformers.utils.hub import cached_file, get_checkpoint_shard_files

    find = functools.partial(cached_file, base, _raise_exceptions_for_missing_entries=False)
    if (single := find(SINGLE)) is not None:
        files = [Path(single)]
    elif (index := find(INDEX)) is not None:
        shards = sorted(set(read_weight_map(Path(index)).values()))
        files = [Path(base, shard) for shard in shards]
        if not os.path.isdir(base):
            files = [Path(file) for file in get_checkpoint_shard_files(base, index)[0]]
    else:
        raise NotStreamable(
            f"model {name!r} cannot be streamed: it has no {SINGLE} and no {INDEX}, and only safetensors files can "
            "be read a layer at a time. Save it once with transformers' save_pretrained, or take stream=False"
        )
    return {key: tensor for file in files for key, tensor in TensorFile(file).tensors.items()}


def parts_by_layer(
    skeleton: Any, names: list[list[str]], tensors: Mapping[str, StoredTensor], quantizer: Any = None
) -> list[list[Part]]:
    """What the weights of each layer are made from; `quantizer` is that of `dequantizer_of`."""
    owner = {name: layer for layer, own in enumerate(names) for name in own}
    parts: list[list[Part]] = [[] for _ in names]
    for part in parts_of(skeleton, tensors, quantizer):
        if part.target in owner:
            parts[owner[part.target]].append(part)
    return parts


class _Entry:
    """A tensor of the checkpoint as transformers takes one: read when it is indexed, or only a shape if streamed."""

    def __init__(self, tensor: StoredTensor, streamed: bool, faults: list[ModelError]):
        self._tensor, self._streamed, self._faults = tensor, streamed, faults

    def __getitem__(self, key: Any) -> Any:
        if self._streamed:
            return self
        try:
            with self._tensor.file.opened() as descriptor:
                return self._tensor.read(descriptor)[key]
        except ModelError as error:
            self._faults.append(error)
            raise

    def is_floating_point(self) -> bool:
        """Whether it has numbers with fractions, as transformers asks of quantized weights."""
        return self._tensor.dtype.is_floating_point

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Tensor:
        """Stay without numbers, whichever device is asked for."""
        return torch.empty(self._tensor.shape, dtype=dtype or self._tensor.dtype, device="meta")


@contextmanager
def sampling(model: Any, stream: LayerStream) -> Iterator[dict[str, Tensor]]:
    """Take samples of the layers' weights, for a fingerprint, while they pass by; filled by one pass of the model.

    Yields:
        By the weights' names in the model.
    """
    samples: dict[str, Tensor] = {}
    prefixes = {id(module): f"{path}." for path, module in model.named_modules()}

    def take(layer: Any, args: Any) -> None:
        for name, weight in layer.named_parameters():
            if not weight.is_meta:
                samples[prefixes[id(layer)] + name] = sampled(weight).cpu().clone()

    handles = [layer.register_forward_pre_hook(take) for layer in decoder_layers(model)[1]]
    try:
        yield samples
    finally:
        for handle in handles:
            handle.remove()
