"""Whether the weights of a model fit into the memory that is free: of the machine, its cgroup, the process, the GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from trimtab.errors import ModelError
from trimtab.inputs.bounded_files import MIB, FileKind, read_text

_ROOM = 1 << 30
"""Beside the weights, for states and whatever else the process holds."""
_MEMINFO, _CGROUP, _OWN_CGROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_KERNEL = FileKind("file of the kernel", MIB, ModelError)
_GIB = 2**30


def weight_bytes(skeleton: Any, dtype: torch.dtype) -> int:
    """What all weights of a model take in a number format; works on the meta device."""
    numbers: int = sum(parameter.numel() for parameter in skeleton.parameters())
    return numbers * dtype.itemsize


def shortage(needed: int, device: torch.device, *, swap: bool = False) -> str:
    """Why weights do not fit, in words; "" where they do, or where nobody says how much is free.

    Args:
        needed: Bytes of all weights.
        device: Where passes run. Weights for a GPU pass through the memory of the machine.
        swap: Whether what is free on the disk for swapping counts too.
    """
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        if needed + _ROOM > free:
            return f"{_gib(needed)} of weights and {_gib(_ROOM)} for states, and {_gib(free)} are free on {device}"
    limits = [*_limits(_meminfo("SwapFree") if swap else 0)]
    if limits and needed + _ROOM > min(limits):
        return f"{_gib(needed)} of weights and {_gib(_ROOM)} for states, and {_gib(max(0, min(limits)))} are free"
    return ""


def require_fit(name: str, needed: int, device: torch.device) -> None:
    """Refuse to load a whole model that does not fit, before the system ends the process for it.

    Raises:
        ModelError: With what it would take.
    """
    if short := shortage(needed, device, swap=True):
        raise ModelError(
            f"model {name!r} does not fit into memory: {short}. Leave out stream=False (--no-stream) to read its "
            "layers from its files as they are needed, or load it in fewer bits with quantization"
        )


def _gib(count: int) -> str:
    return f"{count / _GIB:.1f} GiB"


def _limits(swap: int) -> Iterator[int]:
    """Every bound that is known on the bytes that this process can still take."""
    if available := _meminfo("MemAvailable"):
        yield available + swap
    for folder, limit, used, caches in _cgroups():
        bound, taken = _number(folder / limit), _number(folder / used)
        if bound is not None and taken is not None:
            yield bound - taken + _cached(folder / "memory.stat", caches)
    yield from _process_limits()


def _cgroups() -> Iterator[tuple[Path, str, str, str]]:
    """The cgroups that this process is in, outer ones too, and what their files are called, for both versions."""
    lines = _lines(_OWN_CGROUPS)
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if not controllers:
            root, names = _CGROUP, ("memory.max", "memory.current", "inactive_file")
        elif controllers == "memory":
            root = _CGROUP / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = Path(path.lstrip("/"))
        for part in (own, *own.parents):
            yield root / part, *names


def _process_limits() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    lines = _lines(Path("/proc/self/statm"))
    if not lines:
        return
    pages = [int(count) for count in lines[0].split()]
    for kind, place in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        bound = resource.getrlimit(kind)[0]
        if bound != resource.RLIM_INFINITY:
            yield bound - pages[place] * os.sysconf("SC_PAGE_SIZE")


def _meminfo(key: str) -> int:
    """Bytes of an entry of /proc/meminfo; 0 where there is none."""
    return next((int(line.split()[1]) * 1024 for line in _lines(_MEMINFO) if line.startswith(f"{key}:")), 0)


def _cached(statistics: Path, key: str) -> int:
    """Pages of files that count for a cgroup, and that it gives up when it needs room."""
    return next((int(line.split()[1]) for line in _lines(statistics) if line.startswith(f"{key} ")), 0)


def _number(file: Path) -> int | None:
    """What a file of a cgroup says; None where it is not there or says "max"."""
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(file: Path) -> list[str]:
    """Lines of a file in which the kernel says something; none where it does not."""
    try:
        return read_text(file, _KERNEL).splitlines()
    except ModelError:
        return []
