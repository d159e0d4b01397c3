"""One row of a matrix of concepts or features: AxBench's weights, and decoders of sparse autoencoders (SAELens)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from trimtab.errors import SettingError
from trimtab.vectors.formats._containers import json_beside, number_tensor, safetensors_row, sha256_of
from trimtab.vectors.formats.base import (
    Container,
    Directions,
    Match,
    VectorFile,
    VectorFormat,
    Wanted,
    layer_of_hook,
    layer_of_one,
)

_AXBENCH = re.compile(r"(?P<method>DiffMean|LsReFT)_weight\.pt")
_HOOK = re.compile(r"blocks\.(\d{1,6})\.(\w{1,60})")
_WEIGHTS, _CONFIG = "sae_weights.safetensors", "cfg.json"


class AxBench(VectorFormat):
    """`DiffMean_weight.pt` and `LsReFT_weight.pt`, `[n_concepts, d_model]`."""

    title: ClassVar[str] = "AxBench"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch"})
    takes_rows: ClassVar[bool] = True

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its name."""
        return Match.CERTAIN if _AXBENCH.fullmatch(file.path.name) else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """The row of a concept, at the layer that is given: the output of that block.

        Raises:
            VectorError: for what is no matrix.
            SettingError: without a row or a layer, or for a row that is not there.
        """
        found = number_tensor(file.content)
        if found is None or found.dim() != 2:
            raise file.fault("holds no matrix [n_concepts, d_model]")
        row = _row(file, wanted, len(found))
        layer = layer_of_one(file, wanted, example="--layer 20; AxBench writes it into the folder's name, as l20")
        name = _AXBENCH.fullmatch(file.path.name)
        return Directions(
            {layer: found[row]},
            f"row {row}, a concept, is taken as the output of block {layer}, as it was given",
            behavior=f"{file.path.stem}#{row}",
            method="mean" if name and name["method"] == "DiffMean" else "",
            notes=("AxBench's strengths are factors of a concept's largest activation, which this file does not have",),
        )


class SaeDecoder(VectorFormat):
    """A folder with `sae_weights.safetensors` and `cfg.json`."""

    title: ClassVar[str] = "SAELens"
    containers: ClassVar[frozenset[Container]] = frozenset({"folder"})
    takes_rows: ClassVar[bool] = True

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By the names of both files."""
        return Match.CERTAIN if {_WEIGHTS, _CONFIG} <= file.content.keys() else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """A feature's row of the decoder, at the hook that the configuration names.

        Raises:
            VectorError: for another site, or damaged files.
            SettingError: without a row, for one that is not there, or when another layer is asked for.
        """
        if not {_WEIGHTS, _CONFIG} <= file.content.keys():
            raise file.fault(f"lacks {_WEIGHTS} or {_CONFIG}")
        config = json_beside(file.content[_CONFIG])
        config = config if isinstance(config, dict) else {}
        more = config.get("metadata")
        facts: dict[str, Any] = {**config, **(more if isinstance(more, dict) else {})}
        hook = _HOOK.fullmatch(str(facts.get("hook_name")))
        if hook is None:
            raise file.fault(f"{_CONFIG}: hook_name {facts.get('hook_name')!r:.80} is no hook of a block")
        layer, layer_map = layer_of_hook(file, hook[2], int(hook[1]))
        if wanted.layer not in (None, layer):
            raise SettingError(f"{file.path}: of layer {layer}, not {wanted.layer}")
        path: Path = file.content[_WEIGHTS]
        row = _row(file, wanted, None)
        try:
            found, _ = safetensors_row(path, "W_dec", row)
        except IndexError as size:
            raise SettingError(f"{file.path}: row {row} is out of range: there are {size} features") from None
        return Directions(
            {layer: found},
            f"{layer_map}; row {row} of W_dec",
            behavior=f"feature {row}",
            model=str(facts.get("model_name") or ""),
            method="sae",
            sha256=sha256_of(path),
        )


def _row(file: VectorFile, wanted: Wanted, size: int | None) -> int:
    """The row that is asked for.

    Raises:
        SettingError: when none is, or it is not there.
    """
    many = "many" if size is None else f"{size:,}"
    if wanted.row is None:
        raise SettingError(f"{file.path}: holds {many} rows, one for each concept or feature; name one: {file.path}#7")
    if size is not None and wanted.row >= size:
        raise SettingError(f"{file.path}: row {wanted.row} is out of range: there are {size:,}")
    return wanted.row


AXBENCH = AxBench()
SAE_LENS = SaeDecoder()
