"""The decoder layers' weights of a model, read from its checkpoint one layer at a time, the next one ahead."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError


class LayerSource(Protocol):
    """Where the weights of one layer are read from."""

    bytes: int
    """What they have in the checkpoint."""

    def read(self) -> Mapping[str, Tensor]:
        """The layer's weights in memory of the CPU, by their names in the layer.

        Raises:
            ModelError: When they cannot be read, or the file is another one since the model was loaded.
        """


@dataclass(frozen=True)
class _Weights:
    """A layer's weights on the device, and what has to have happened before they are used."""

    tensors: Mapping[str, Tensor]
    copied: Any = None
    """On CUDA, the event behind their copies."""


class LayerStream:
    """The decoder layers' weights of a model, read from its checkpoint when they are needed.

    By default each layer brings in its own weights for its own forward pass, so that any plain pass of the model works
    and reads every layer once. A caller that has several passes to run takes the stream over (`taken`) and says itself
    for how long a layer is needed (`present`). At any time two layers are in memory: the one that is in place, and the
    one after it, which a thread reads meanwhile. Plain passes of other threads, and of the caller's own between two
    layers, still bring in their own: beside theirs, one layer more is in memory.
    """

    def __init__(self, layers: Sequence[nn.Module], sources: Sequence[LayerSource], device: torch.device):
        """Take over the weights of the layers.

        Args:
            layers: The decoder layers, in order; their streamed weights are on the meta device.
            sources: Where each layer's weights are.
            device: Where passes run.
        """
        assert len(layers) == len(sources)
        self._layers, self._sources, self._device = layers, sources, device
        self.reads = [0] * len(layers)
        """How often each layer has been read since the start, the layers read ahead included."""
        self.bytes_read = 0
        """Bytes that were read from the checkpoint since the start."""
        self.seconds_reading = 0.0
        """Time that the reads took, most of it while something else was computed."""
        self.seconds_waiting = 0.0
        """Time that passes stood still because a layer was not there yet."""
        self._lock = threading.RLock()
        self._users = [0] * len(layers)
        self._empty: list[dict[str, Tensor]] = [{} for _ in layers]
        """The meta tensors of the layers that are in place."""
        self._placed: list[list[int]] = [[] for _ in layers]
        """How often the weights of the layers that are in place had been written to before."""
        self._ahead: tuple[int, Future[_Weights]] | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="trimtab-layers")
        self._copies: Any = None
        if device.type == "cuda":
            self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._takers: Counter[int] = Counter()
        """Threads that have taken the stream over, and how often."""
        self._own: Counter[tuple[int, int]] = Counter()
        """How many passes of a thread have brought in the weights of a layer themselves: (thread, layer)."""
        self._versions = [_versions(layer) for layer in layers]
        for index, layer in enumerate(layers):
            layer.register_forward_pre_hook(self._before(index), prepend=True)
            layer.register_forward_hook(self._after(index), always_call=True)

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self._layers)

    def bytes_of(self, layer: int) -> int:
        """Bytes of a layer in the checkpoint."""
        return self._sources[layer].bytes

    def require_fixed(self) -> None:
        """Refuse a model that has changed the weights of layers that were not in place, as RWKV does.

        Raises:
            ModelError: Naming the layer.
        """
        for index, layer in enumerate(self._layers):
            if self._users[index] == 0 and _versions(layer) != self._versions[index]:
                raise _changing(index)

    @contextmanager
    def present(self, layer: int) -> Iterator[None]:
        """Have a layer's weights in place while the context lasts; the next layer is read ahead meanwhile.

        Contexts of the same layer may overlap: it is read for the first and dropped behind the last.

        Raises:
            ModelError: When the weights cannot be read, or the file is another one since the model was loaded.
        """
        self._enter(layer)
        try:
            yield
        finally:
            self._leave(layer)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Leave it to the caller, while the context lasts, to have the layers present that its passes run through."""
        me = threading.get_ident()
        with self._lock:
            self._takers[me] += 1
        try:
            yield
        finally:
            with self._lock:
                self._takers[me] -= 1

    def forget_ahead(self) -> None:
        """Drop the layer that was read ahead and not used."""
        with self._lock:
            if self._ahead is not None:
                self._ahead[1].cancel()
                self._ahead = None

    def _before(self, index: int) -> Callable[..., None]:
        def bring_in(module: nn.Module, args: Any) -> None:
            me = threading.get_ident()
            with self._lock:
                # What another thread has in place, it may drop before this pass is through the layer.
                if not (self._takers[me] and self._users[index]):
                    self._enter(index)
                    self._own[me, index] += 1

        return bring_in

    def _after(self, index: int) -> Callable[..., None]:
        def drop(module: nn.Module, args: Any, output: Any) -> None:
            me = threading.get_ident()
            with self._lock:
                if self._own[me, index]:  # a pass whose weights could not be read comes here too
                    self._own[me, index] -= 1
                    self._leave(index)

        return drop

    def _enter(self, layer: int) -> None:
        with self._lock:
            if self._users[layer] == 0:
                self._put(layer, self._take(layer))
                self._read_ahead(layer + 1)
            self._users[layer] += 1

    def _leave(self, layer: int) -> None:
        with self._lock:
            self._users[layer] -= 1
            if self._users[layer] == 0:
                changed = _versions(self._layers[layer]) != self._placed[layer]
                empty, self._empty[layer] = self._empty[layer], {}
                for name, tensor in empty.items():
                    _place(self._layers[layer], name, tensor)
                if changed:
                    raise _changing(layer)

    def _take(self, layer: int) -> _Weights:
        """The weights of a layer: those that were read ahead, or read now."""
        began = time.perf_counter()
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == layer:
            future = ahead[1]
        else:
            if ahead is not None:
                ahead[1].cancel()
            future = self._reader.submit(self._read, layer)
        try:
            return future.result()
        finally:
            self.seconds_waiting += time.perf_counter() - began

    def _read_ahead(self, layer: int) -> None:
        if layer < self.layers and self._users[layer] == 0:
            self._ahead = layer, self._reader.submit(self._read, layer)

    def _read(self, layer: int) -> _Weights:
        """Read a layer and bring it to the device; runs in the reader's thread."""
        began = time.perf_counter()
        self.reads[layer] += 1
        read = self._sources[layer].read()
        self.bytes_read += self._sources[layer].bytes
        self.seconds_reading += time.perf_counter() - began
        if self._copies is None:
            return _Weights({name: tensor.to(self._device) for name, tensor in read.items()})
        with torch.cuda.stream(self._copies):
            tensors = {name: t.pin_memory().to(self._device, non_blocking=True) for name, t in read.items()}
            return _Weights(tensors, self._copies.record_event())

    def _put(self, layer: int, weights: _Weights) -> None:
        if self._copies is not None:
            computing = torch.cuda.current_stream(self._device)
            computing.wait_event(weights.copied)
            for tensor in weights.tensors.values():
                # They were allocated for the copies: without this, their memory could be given to the next layer
                # while kernels that read them still wait to run.
                tensor.record_stream(computing)
        block = self._layers[layer]
        self._empty[layer] = {name: _place(block, name, tensor) for name, tensor in weights.tensors.items()}
        self._placed[layer] = _versions(block)


def _versions(block: nn.Module) -> list[int]:
    """How often each weight of a layer has been written to."""
    return [parameter._version for parameter in block.parameters()]


def _changing(layer: int) -> ModelError:
    return ModelError(
        f"the model changes the weights of layer {layer} while it runs, and they are read anew for each pass: it "
        "cannot be streamed. Load it with stream=False (--no-stream)"
    )


def _place(block: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """Put a tensor in the place of a weight, and give back what was there."""
    owner, _, own = name.rpartition(".")
    module = block.get_submodule(owner)
    places: dict[str, Any] = module._parameters if own in module._parameters else module._buffers
    before: Tensor = places[own]
    if isinstance(before, nn.Parameter) and not isinstance(tensor, nn.Parameter):
        tensor = nn.Parameter(tensor, requires_grad=False)
    places[own] = tensor
    return before
