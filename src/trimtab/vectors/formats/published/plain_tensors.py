"""Tensors without a word about what they are: `[d_model]`, `[n_layers, d_model]`, or one for each layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from trimtab.errors import shortened
from trimtab.vectors.formats._containers import number_tensor
from trimtab.vectors.formats.base import (
    AS_IS,
    Container,
    Directions,
    Match,
    VectorFile,
    VectorFormat,
    Wanted,
    layer_of_one,
    only,
)

_BY_LAYER = re.compile(r"(?:(?:model\.)?layers?[._-]?|l)?(\d{1,6})(?:\.(?:v|vector|direction))?", re.IGNORECASE)
_OTHER_SITES = re.compile(
    r"attn|attention|mlp|ffn|feed_?forward|q_proj|k_proj|v_proj|o_proj|resid_pre|resid_mid|hook_z|norm|embed|logits",
    re.IGNORECASE,
)


class PlainTensor(VectorFormat):
    """One tensor, as torch.save, numpy.save or safetensors write it."""

    title: ClassVar[str] = "plain tensors"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch", "numpy", "safetensors"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """One direction, or as many as the model has layers; without a model, any number."""
        found = one_tensor(file)
        if found is None or found.dim() not in (1, 2):
            return Match.NO
        fits = found.dim() == 1 or wanted.n_layers in (None, len(found))
        return Match.POSSIBLE if fits else Match.NO

    def hints(self, file: VectorFile) -> list[str]:
        """Its shape."""
        return shape_hint(file)

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """A direction at the layer that is given, or one for each layer.

        Raises:
            VectorError: for a tensor of another shape.
            SettingError: for a single direction whose layer is not given.
        """
        found = one_tensor(file)
        if found is None or found.dim() not in (1, 2):
            raise file.fault("holds no tensor [d_model] or [n_layers, d_model] of floating-point numbers")
        if found.dim() == 1:
            layer = layer_of_one(file, wanted)
            return Directions({layer: found}, f"taken as the output of block {layer}, as it was given")
        if wanted.n_layers is not None and wanted.n_layers != len(found):
            embeddings = "; with the embeddings first it is of persona_vectors' layout"
            more = embeddings if len(found) == wanted.n_layers + 1 else ""
            raise file.fault(f"has {len(found)} rows, and the model {wanted.n_layers} layers{more}")
        return Directions(
            only(dict(enumerate(found)), wanted), AS_IS.replace("layer N of the file", "row N"), n_layers=len(found)
        )


class DirectionsByLayer(VectorFormat):
    """A mapping from layers to directions, as a dict that was saved by torch, or tensors of a safetensors file."""

    title: ClassVar[str] = "directions by layer"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch", "safetensors"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its keys, which are numbers of layers, or of layers and another site, which is refused then."""
        names = [str(name) for name in tensors_by_name(file)]
        fit = names and all(_BY_LAYER.fullmatch(name) or _OTHER_SITES.search(name) for name in names)
        return Match.POSSIBLE if fit else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are.

        Raises:
            VectorError: for keys that are no layers, or that name another site.
        """
        found = tensors_by_name(file)
        if not found:
            raise file.fault("holds no tensors by layer")
        rows: dict[int, Tensor] = {}
        for name, value in found.items():
            require_residual_site(file, str(name))
            match, row = _BY_LAYER.fullmatch(str(name)), number_tensor(value)
            if match is None or row is None or row.dim() != 1 or int(match[1]) in rows:
                raise file.fault(f"{str(name)[:80]!r} is no direction [d_model] of a layer of its own")
            rows[int(match[1])] = row
        return Directions(only(dict(sorted(rows.items())), wanted), AS_IS)


def one_tensor(file: VectorFile) -> Tensor | None:
    """The only tensor of a file, as float32."""
    if file.container == "safetensors":
        values = list(file.content.values())
        name = next(iter(file.content), "")
        return values[0] if len(values) == 1 and not (_BY_LAYER.fullmatch(name) or _OTHER_SITES.search(name)) else None
    return number_tensor(file.content) if file.container in ("torch", "numpy") else None


def tensors_by_name(file: VectorFile) -> Mapping[Any, Any]:
    """The tensors of a dict or a safetensors file; empty for anything else."""
    is_dict = file.container == "torch" and isinstance(file.content, dict)
    if not is_dict and file.container != "safetensors":
        return {}
    found: Mapping[Any, Any] = file.content
    return found if all(isinstance(value, Tensor) for value in found.values()) else {}


def shape_hint(file: VectorFile) -> list[str]:
    """The shape of a file's only tensor."""
    found = one_tensor(file)
    return [] if found is None else [f"a tensor {list(found.shape)}"]


def require_residual_site(file: VectorFile, name: str) -> None:
    """Refuse names of sites other than the residual stream behind a layer.

    Raises:
        VectorError: with the name.
    """
    if found := _OTHER_SITES.search(name):
        raise file.fault(
            f"{name[:80]!r} is of another site ({found[0]}); trimtab steers the residual stream behind a decoder layer"
        )


def contents(file: VectorFile) -> str:
    """What is in a file of no known format, for a message."""
    content = file.content
    if file.container == "torch" and not isinstance(content, dict):
        shape = f" {list(content.shape)} of {content.dtype}" if isinstance(content, Tensor) else ""
        return f"{type(content).__name__}{shape}"
    if isinstance(content, Tensor):
        return f"an array {list(content.shape)}"
    kind = {"torch": "a dict", "json": "a JSON object", "folder": "a folder"}.get(file.container, "tensors")
    return f"{kind} with {', '.join(shortened([str(name)[:40] for name in content], 8))}"


TENSOR = PlainTensor()
BY_LAYER = DirectionsByLayer()
