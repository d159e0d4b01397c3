"""What a stream over the weights of a model takes, found out from its configuration and files without loading it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trimtab.models._folder_files import read_weight_map
from trimtab.models.architecture import decoder_layers
from trimtab.models.facts import Facts
from trimtab.models.streaming._layer_plan import streamed_names
from trimtab.models.streaming._memory_fit import weight_bytes
from trimtab.models.streaming._tensor_files import StoredTensor
from trimtab.models.streaming.streamed_model import (
    INDEX,
    LAYERS_AT_ONCE,
    SINGLE,
    dequantizer_of,
    parts_by_layer,
    skeleton_of,
    tensors_of,
)

_BLOCK_BYTES, _SAMPLE_BYTES, _SAMPLE_SECONDS = 8 << 20, 512 << 20, 0.5


@dataclass(frozen=True)
class StreamPlan:
    """A model whose decoder layers are read from its files while it runs."""

    layer_bytes: int
    """What one stream over the weights reads."""
    resident_bytes: int
    """Weights that stay in memory: embeddings, norms, the unembedding, whatever layers share."""
    present_bytes: int
    """The layers that are in memory at once."""
    bytes_per_second: float | None
    """Of the disk, measured on the model's own files; None where they are not here."""
    short: str = ""
    """Why the whole model does not fit into memory; empty where the stream was asked for."""

    @classmethod
    def of_facts(cls, facts: Facts, dtype: torch.dtype) -> StreamPlan:
        """Of a model of which only facts are known: as if layers were all of it, so nothing stays in memory."""
        whole = facts.parameters * dtype.itemsize
        return cls(whole, 0, LAYERS_AT_ONCE * whole // facts.layers, None)

    def seconds(self, streams: int) -> float:
        """What reading takes; 0 where the speed is not known."""
        return 0.0 if self.bytes_per_second is None else streams * self.layer_bytes / self.bytes_per_second


def plan_stream(
    base: str, config: Any, *, name: str, dtype: torch.dtype, trust_remote_code: bool, short: str
) -> StreamPlan:
    """Sizes and speed of the stream over a model.

    Args:
        base: Folder or hub id; files that are not on this disk are not fetched, and sizes come from the configuration.
        config: Of the model.
        name: For messages.
        dtype: That passes compute in.
        trust_remote_code: Whether the model's repository may run its own code here.
        short: Why it does not fit into memory.

    Raises:
        NotStreamable: When its files are none that a layer can be read from by itself.
        ModelError: When they cannot be read.
    """
    quantizer = dequantizer_of(config, name)
    skeleton = skeleton_of(config, trust_remote_code)
    names = streamed_names(skeleton, decoder_layers(skeleton)[1])
    in_memory = [sum(skeleton.get_parameter(one).numel() for one in own) * dtype.itemsize for own in names]
    on_disk, speed = sum(in_memory), None
    if (folder := _folder_of(base)) is not None:
        tensors = tensors_of(folder, name)
        parts = parts_by_layer(skeleton, names, tensors, quantizer)
        sources = [source for layer in parts for part in layer for source, _ in part.sources]
        on_disk = sum(tensors[source].bytes for source in sources)
        speed = reading_speed(tensors.values())
    return StreamPlan(
        layer_bytes=on_disk,
        resident_bytes=weight_bytes(skeleton, dtype) - sum(in_memory),
        present_bytes=LAYERS_AT_ONCE * max(in_memory),
        bytes_per_second=speed,
        short=short,
    )


def reading_speed(tensors: Collection[StoredTensor]) -> float:
    """Bytes a second that the disk gives, measured by reading a part of the largest of the files.

    What the system holds of that part is dropped first: a model that is larger than the memory is not found there.

    Raises:
        ModelError: When the file cannot be read.
    """
    file = max({tensor.file.path: tensor.file for tensor in tensors}.values(), key=lambda f: f.path.stat().st_size)
    with file.opened() as descriptor:
        size = min(os.fstat(descriptor).st_size, _SAMPLE_BYTES)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_DONTNEED)
        started, done = time.perf_counter(), 0
        while done < size and time.perf_counter() - started < _SAMPLE_SECONDS:
            done += len(os.pread(descriptor, _BLOCK_BYTES, done))
        return done / max(time.perf_counter() - started, 1e-9)


def _folder_of(base: str) -> str | None:
    """The folder that has the model's weights; None where they are not, or not all, on this disk."""
    if os.path.isdir(base):
        return base
    from huggingface_hub import try_to_load_from_cache

    for file in (SINGLE, INDEX):
        found = try_to_load_from_cache(base, file)
        if isinstance(found, str):
            folder = Path(found).parent
            shards = set(read_weight_map(Path(found)).values()) if file == INDEX else set()
            return str(folder) if all((folder / shard).exists() for shard in shards) else None
    return None
