"""Which device holds which part of a model: accelerate's device maps, checked before any weight is loaded."""

from __future__ import annotations

import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from trimtab._util.suggest import suggestion
from trimtab.errors import SettingError, TrimtabWarning, shortened
from trimtab.models.architecture import decoder_layers
from trimtab.models.kinds.placement import SPREAD, execution_device
from trimtab.models.precision import choose_device

DISK = "disk"
"""The place of weights that are read from the disk for each pass."""
_MAX_NAMED = 4
_GPU_SHARE = 0.8
"""Of the free memory of all GPUs, for weights; layers do not fill each of them evenly, and states need room."""

Device = str | Mapping[str, Any]
"""A device, a way of spreading layers over several, or a mapping from the names of modules to devices."""


def main_device(device: Device) -> torch.device:
    """The device that decides about the number format: the first of a mapping that is no mere store of weights.

    Raises:
        SettingError: when one is not there.
    """
    if isinstance(device, str):
        return choose_device(device)
    places = [_require_device(name, place) for name, place in device.items()]
    computing = [place for place in places if place is not None]
    return next((place for place in computing if place.type != "cpu"), torch.device("cpu"))


def gpus_of(device: Device) -> int | None:
    """The number of GPUs that a mapping names; None where the device is one, or is chosen when the model is loaded."""
    if isinstance(device, str):
        return None
    named = {f"cuda:{place}" if isinstance(place, int) else str(place) for place in device.values()}
    return len({"cuda:0" if place == "cuda" else place for place in named if place.startswith("cuda")})


def _require_device(name: str, place: Any) -> torch.device | None:
    """The device that a part is put on; None for the disk."""
    if place == DISK:
        return None
    if isinstance(place, bool) or not isinstance(place, int | str | torch.device):
        raise SettingError(f"device of {name!r}: {place!r} is none; write a GPU's number, 'cpu', 'cuda:1' or 'disk'")
    if place == "auto" or place in SPREAD:
        raise SettingError(f"device of {name!r}: {place!r} is for a whole model; a part is on one device or on 'disk'")
    try:
        return choose_device(f"cuda:{place}" if isinstance(place, int) else str(place))
    except SettingError as error:
        raise SettingError(f"device of {name!r}: {error}") from None


def complete_map(device_map: Mapping[str, Any], model: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, Any]:
    """A mapping as it is given, with what it leaves out and nobody would think of: tied weights, buffers.

    Args:
        device_map: from names of modules to devices; the longest name that fits counts.
        model: the model without its weights.
        layers: its decoder layers by name.

    Raises:
        SettingError: for names that the model does not have, parts without a device, and layers that would be split.
    """
    modules = dict(model.named_modules())
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in device_map:
        if name not in modules and name not in parameters:
            near = suggestion(name, [module for module in modules if module])
            raise SettingError(
                f"device: the model has no module {name!r}{near}; its layers are "
                f"{', '.join(shortened(list(layers), 1))}, beside them are {', '.join(_beside(modules, layers))}"
            )
    found = {name: f"cuda:{place}" if isinstance(place, int) else str(place) for name, place in device_map.items()}
    # A tied weight is in two modules and has one place.
    placed = {id(weight): place for name, weight in parameters.items() if (place := place_of(name, found)) is not None}
    left_out = []
    for name, weight in parameters.items():
        if place_of(name, found) is None:
            if id(weight) in placed:
                found[name.rpartition(".")[0]] = placed[id(weight)]
            else:
                left_out.append(name)
    if left_out:
        named = ", ".join(shortened(left_out, _MAX_NAMED))
        raise SettingError(f"device: the mapping has no device for {named}; add their modules, or '' for all others")
    main = main_device(found)
    for name, _ in model.named_buffers():
        if place_of(name, found) is None:
            found[name.rpartition(".")[0]] = str(main)
    _require_whole_layers(found, layers)
    return dict(_disjoint("", model, found))


def _disjoint(name: str, module: nn.Module, device_map: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The same places by names of which none contains another: accelerate places the inner parts of a name with it."""
    prefix = f"{name}." if name else ""
    if not any(one != name and one.startswith(prefix) for one in device_map):
        yield name, place_of(name, device_map)
        return
    for own, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        yield prefix + own, place_of(prefix + own, device_map)
    for inner, child in module.named_children():
        if next(child.parameters(), None) is not None or next(child.buffers(), None) is not None:
            yield from _disjoint(prefix + inner, child, device_map)


def _beside(modules: Mapping[str, nn.Module], layers: Mapping[str, nn.Module]) -> list[str]:
    """Modules with weights that are no part of a layer and hold none, outermost first."""
    found: list[str] = []
    for name, module in modules.items():
        inside = any(name.startswith(f"{one}.") for one in (*found, *layers)) or name in layers
        holds = not name or any(layer.startswith(f"{name}.") for layer in layers)
        if not inside and not holds and next(module.parameters(), None) is not None:
            found.append(name)
    return found


def place_of(name: str, device_map: Mapping[str, Any]) -> Any:
    """The device of a module or weight: that of the longest name in the mapping that is, or contains, its own."""
    while name not in device_map:
        if not name:
            return None
        name = name.rpartition(".")[0]
    return device_map[name]


def _require_whole_layers(device_map: Mapping[str, Any], layers: Mapping[str, nn.Module]) -> None:
    """Refuse a layer of which parts are on several devices.

    Its states would be computed on one of them and pushed on another, at the price of a copy for each part.
    """
    for layer, module in layers.items():
        places = {inner: place_of(f"{layer}.{inner}", device_map) for inner, _ in module.named_parameters()}
        if len(set(map(str, places.values()))) > 1:
            first = next(iter(places.values()))
            other = next(inner for inner, place in places.items() if str(place) != str(first))
            raise SettingError(
                f"device: {layer} would be split over {first!r} and {places[other]!r} ({other}); "
                "a decoder layer is on one device, so name the whole layer"
            )


def device_map_for(
    name: str, device: Device, place: torch.device, dtype: torch.dtype, empty: Callable[[], Any]
) -> str | dict[str, Any] | None:
    """What transformers is given as `device_map`; None for a model that is loaded and then moved to its one device.

    Args:
        name: of the model.
        device: as it was asked for.
        place: the device that was chosen.
        dtype: of the weights.
        empty: gives the model without its weights.

    Raises:
        SettingError: for a mapping that does not fit the model.
    """
    if not isinstance(device, str):
        return complete_map(device, empty(), named_layers(empty(), decoder_layers(empty())[1]))
    if device in SPREAD:
        return device
    if device != "auto" or place.type != "cuda":
        return None
    size = sum(parameter.numel() for parameter in empty().parameters()) * dtype.itemsize
    return "auto" if outgrown(name, size, torch.cuda.mem_get_info(place)[0], place) else None


def outgrown(name: str, weight_bytes: int, free_bytes: int, place: torch.device) -> bool:
    """Whether a model is larger than what its GPU has free, so that `auto` spreads it; then says so in a warning."""
    if weight_bytes <= free_bytes:
        return False
    warnings.warn(
        f"{name}: its weights take {weight_bytes / 2**30:.1f} GiB, and {place} has {free_bytes / 2**30:.1f} GiB free: "
        "its layers are spread over all GPUs, and what they do not hold over the CPU and the disk",
        TrimtabWarning,
        stacklevel=2,
    )
    return True


def fits_all_gpus(device: Device, place: torch.device, weight_bytes: int) -> bool:
    """Whether `auto` can spread weights over several GPUs, none of which has to hold them alone."""
    if device != "auto" or place.type != "cuda" or torch.cuda.device_count() < 2:
        return False
    free = sum(torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count()))
    return weight_bytes <= _GPU_SHARE * free


@contextmanager
def offload_folder(device_map: Device | None) -> Iterator[OffloadFolder | None]:
    """A folder for weights that may stay on the disk, deleted if the model is not loaded."""
    on_disk = device_map is not None and (isinstance(device_map, str) or DISK in device_map.values())
    folder = OffloadFolder() if on_disk else None
    try:
        yield folder
    except BaseException:
        if folder is not None:
            folder.drop()
        raise


class OffloadFolder:
    """A temporary folder for weights that stay on the disk and cannot be read from the checkpoint as they are.

    transformers writes to it only those (of most mixtures of experts, and of files that are not safetensors). It lives
    as long as the model, and is in `TMPDIR`.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="trimtab-offload-")

    @property
    def path(self) -> str:
        """The folder."""
        return self._folder.name

    def belong_to(self, model: Any) -> None:
        """Delete it with the model, and with this process."""
        weakref.finalize(model, self._folder.cleanup)

    def drop(self) -> None:
        """Delete it now."""
        self._folder.cleanup()


def named_layers(model: nn.Module, layers: tuple[nn.Module, ...]) -> dict[str, nn.Module]:
    """The decoder layers by the names that a mapping calls them by."""
    wanted = {id(layer) for layer in layers}
    return {name: module for name, module in model.named_modules() if id(module) in wanted}


def layer_devices(layers: tuple[nn.Module, ...]) -> Iterator[torch.device]:
    """The devices that decoder layers compute on, each once: where their weights are, or are brought to."""
    seen: set[torch.device] = set()
    for layer in layers:
        device = next((p.device for p in layer.parameters()), torch.device("cpu"))
        if device.type == "meta":
            device = next(filter(None, map(execution_device, layer.modules())), torch.device("cpu"))
        if device not in seen:
            seen.add(device)
            yield device
