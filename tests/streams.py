"""Tiny models whose layers' weights come and go, as those of a model that is streamed from disk do, and are counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tiny import tiny_model, tiny_tokenizer
from trimtab.models import Backbone, wrap


class CountedLayers:
    """Layers whose weights are in place while they are present, and on the meta device otherwise."""

    def __init__(self, layers: tuple[nn.Module, ...]):
        self._layers = layers
        self._saved = [{n: t.detach().clone() for n, t in layer.state_dict().items()} for layer in layers]
        self.layers = len(layers)
        self.reads = [0] * len(layers)
        self.bytes_read = 0
        self.seconds_reading = 0.0
        self._takers = 0
        for index, layer in enumerate(layers):
            layer.register_forward_pre_hook(lambda *_, index=index: None if self._takers else self._put(index))
            layer.register_forward_hook(lambda *_, layer=layer: None if self._takers else self._drop(layer))
            self._drop(layer)

    def bytes_of(self, layer: int) -> int:
        return sum(tensor.nbytes for tensor in self._saved[layer].values())

    @contextmanager
    def present(self, layer: int) -> Iterator[None]:
        self._put(layer)
        try:
            yield
        finally:
            self._drop(self._layers[layer])

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._takers += 1
        try:
            yield
        finally:
            self._takers -= 1

    @property
    def streams(self) -> int:
        """How often the weights have been read; every layer as often as the others."""
        assert len(set(self.reads)) == 1
        return self.reads[0]

    def _put(self, layer: int) -> None:
        self.reads[layer] += 1
        copies = {name: tensor.clone() for name, tensor in self._saved[layer].items()}
        self._layers[layer].load_state_dict(copies, assign=True)

    def _drop(self, layer: nn.Module) -> None:
        layer.to("meta")


def streamed(name: str) -> tuple[Backbone, CountedLayers]:
    """A tiny model of a family, as `tiny.tiny` makes it, with its layers out of memory."""
    backbone = wrap(tiny_model(name), tiny_tokenizer(), name=f"tiny-{name}")
    weights = CountedLayers(backbone.anatomy.layers)
    object.__setattr__(backbone, "stream", weights)
    return backbone, weights


def is_left_alone(backbone: Backbone) -> bool:
    """Whether no hooks are left on a model, its layers are out of memory, and gradients are as before."""
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in backbone.model.modules()]
    away = all(p.is_meta for layer in backbone.anatomy.layers for p in layer.parameters())
    return sum(hooks) == 2 * len(backbone.anatomy.layers) and away and torch.is_grad_enabled()
