"""Whether a model is streamed: because it was asked for, or because its weights do not fit into memory."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models.kinds.device_maps import Device, fits_all_gpus
from trimtab.models.kinds.placement import SPREAD
from trimtab.models.kinds.quantization import Quantization
from trimtab.models.streaming._layer_plan import NotStreamable
from trimtab.models.streaming._memory_fit import require_fit, shortage, weight_bytes
from trimtab.models.streaming.layer_stream import LayerStream
from trimtab.models.streaming.stream_plan import StreamPlan, plan_stream
from trimtab.models.streaming.streamed_model import load_streamed, skeleton_of


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which model is loaded, and how."""

    name: str
    base: str
    """Folder or hub id of its weights."""
    config: Any
    dtype: torch.dtype
    place: torch.device
    device: Device
    """As it was asked for."""
    quantization: Quantization
    adapted: bool
    """Whether an adapter comes on top."""
    divided: bool
    """Whether the layers are divided over processes."""
    trust_remote_code: bool


def load_if_streamed(stream: bool | None, wanted: Wanted) -> tuple[Any, LayerStream] | None:
    """The model and its stream; None where it must be loaded whole.

    Args:
        stream: Whether it is streamed; None decides by the memory that is free.
        wanted: Which model.

    Raises:
        SettingError: For a stream beside options that need the whole model.
        NotStreamable: When it was asked for and cannot be.
        ModelError: When the model does not fit and must not be streamed, or its files do not hold all of it.
    """
    short = _why_streamed(stream, wanted)
    if short is None:
        return None
    try:
        found = load_streamed(
            wanted.base,
            wanted.config,
            name=wanted.name,
            dtype=wanted.dtype,
            device=wanted.place,
            trust_remote_code=wanted.trust_remote_code,
        )
    except NotStreamable:
        if stream:
            raise
        return None  # nobody asked for it, and the estimate of the memory may be too careful
    if short:
        warnings.warn(
            f"{wanted.name} does not fit into memory ({short}): its layers are read from its files as they are "
            "needed. Results are the same and take longer; with quantization, or dtype bfloat16 instead of float32, "
            "it may fit. stream=False (--no-stream) refuses instead",
            TrimtabWarning,
            stacklevel=4,
        )
    return found


def plan_if_streamed(stream: bool | None, wanted: Wanted) -> StreamPlan | None:
    """What a stream over the model would take, decided as for loading it; None where it would be loaded whole.

    Args:
        stream: Whether it is streamed; None decides by the memory that is free.
        wanted: Which model.

    Raises:
        SettingError, NotStreamable, ModelError: What loading it would raise.
    """
    short = _why_streamed(stream, wanted)
    if short is None:
        return None
    try:
        return plan_stream(
            wanted.base,
            wanted.config,
            name=wanted.name,
            dtype=wanted.dtype,
            trust_remote_code=wanted.trust_remote_code,
            short=short,
        )
    except NotStreamable:
        if stream:
            raise
        return None


def _why_streamed(stream: bool | None, wanted: Wanted) -> str | None:
    """Why the whole model does not fit into memory; "" where the stream was asked for, None where nothing is streamed.

    Raises:
        SettingError, NotStreamable, ModelError: Where what was asked for cannot be.
    """
    obstacle = _obstacle(wanted)
    if stream and obstacle is not None:
        raise obstacle
    if stream:
        return ""
    return (_shortage(stream, wanted) if obstacle is None else "") or None


def _obstacle(wanted: Wanted) -> SettingError | NotStreamable | None:
    """What stands beside streaming by the way the model is asked for."""
    about = f"model {wanted.name!r} cannot be streamed"
    if wanted.quantization:
        return SettingError(
            f"{about} and quantized: quantization puts the weights into another format when the whole model is "
            "loaded; leave out stream or quantization"
        )
    if not isinstance(wanted.device, str) or wanted.device in SPREAD:
        return SettingError(
            f"{about} over several devices: a layer is brought to one; leave out stream, or give one device"
        )
    if wanted.divided:
        return SettingError(f"{about} and divided by tensor parallelism: leave out one of the two")
    if wanted.adapted:
        return NotStreamable(
            f"{about}: it is an adapter, whose layers stand around those of its base. Merge it first "
            "(merge_and_unload in PEFT) and save the model, or leave out stream"
        )
    return None


def _shortage(stream: bool | None, wanted: Wanted) -> str:
    """Why the whole model does not fit into memory; "" where it does, or must not be streamed and may fit."""
    needed = weight_bytes(skeleton_of(wanted.config, wanted.trust_remote_code), wanted.dtype)
    if fits_all_gpus(wanted.device, wanted.place, needed):
        return ""
    if stream is False:
        require_fit(wanted.name, needed, wanted.place)
        return ""
    return shortage(needed, wanted.place)
