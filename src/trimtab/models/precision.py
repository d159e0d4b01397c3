"""Which number format and device a machine does well."""

from __future__ import annotations

from typing import Literal

import torch

from trimtab.errors import SettingError
from trimtab.models.kinds.placement import SPREAD

DType = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str = "auto") -> torch.device:
    """The device asked for, or the best one present: CUDA, then Apple's MPS, then the CPU.

    Of a model that is spread over several (`balanced`), the kind that they are of.

    Raises:
        SettingError: when the device is not there.
    """
    if device == "auto" or device in SPREAD:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        place = torch.device(device)
        if place.type == "meta":
            raise RuntimeError("it has shapes and no numbers")
        # Written and read: some devices can be named, and hold nothing.
        float(torch.zeros(1, device=place)[0])
    except (RuntimeError, AssertionError, NotImplementedError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingError(f"device {device!r} is not available here: {reason}") from None
    return place


def choose_dtype(dtype: DType | torch.dtype = "auto", device: torch.device | None = None) -> torch.dtype:
    """The dtype asked for, or the fast one: bfloat16 where the processor multiplies it natively, else float32.

    Raises:
        SettingError: for an unknown name.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise SettingError(f"dtype {dtype!r} is unknown; it is auto or one of {', '.join(_DTYPES)}")
        return _DTYPES[dtype]
    kind = (device or torch.device("cpu")).type
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if kind == "cpu" and _cpu_multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _cpu_multiplies_bfloat16() -> bool:
    # torch offers no public query; absent on some builds, where float32 is the safe answer.
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, query)() for query in queries if hasattr(torch.cpu, query))
