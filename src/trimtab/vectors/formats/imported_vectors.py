"""From a file of any format to a `SteeringVector`: choosing the format, comparing with a model, provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab._util.suggest import suggestion
from trimtab._util.wording import listed
from trimtab.errors import SettingError, VectorError
from trimtab.inputs.bounded_files import exists, expand_user
from trimtab.vectors._provenance import Origin, Provenance
from trimtab.vectors.formats import VECTOR_FORMATS
from trimtab.vectors.formats._containers import number_tensor, open_vector_file
from trimtab.vectors.formats.base import Directions, Match, VectorFile, VectorFormat, Wanted
from trimtab.vectors.formats.published.plain_tensors import contents
from trimtab.vectors.residual_norms import neutral_norms, with_residual_norms
from trimtab.vectors.state_reading import Source, versions
from trimtab.vectors.steering_vector import SteeringVector
from trimtab.vectors.tensor_file import MAX_FILE_BYTES, naming

OWN = "trimtab"
HAND = "hand"
MAX_LAYERS = 10_000


class AmbiguousFile(VectorError):
    """A file could be of several programs, which number layers differently."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A file and the format that it is read as."""

    name: str
    format: VectorFormat
    file: VectorFile


def read_vector(
    path: str | Path, made_by: str = "", layer: int | None = None, model: Source | None = None
) -> SteeringVector:
    """As `SteeringVector.read`."""
    place, row = _parted(path)
    if layer is not None and not 0 <= layer < MAX_LAYERS:
        raise SettingError(f"layer {layer} is out of range: layers count from 0")
    wanted = Wanted(layer, row, None if model is None else model.facts.layers)
    if made_by not in ("", OWN) and made_by not in VECTOR_FORMATS.names():
        names = (OWN, *VECTOR_FORMATS.names())
        raise SettingError(f"made by {made_by!r}: unknown{suggestion(made_by, names)}; choose from {', '.join(names)}")
    if made_by == OWN:
        return _own(place, wanted, model)
    file = open_vector_file(place)
    if file.container == "safetensors" and file.entries.get("format", "").startswith("trimtab-"):
        if made_by:
            raise SettingError(f"{place}: a vector file of trimtab, not of {made_by}; leave out --made-by")
        return _own(place, wanted, model)
    chosen = _choose(file, made_by, wanted)
    if row is not None and not chosen.format.takes_rows:
        raise SettingError(f"{place}: a file of {chosen.format.title} has no rows to choose from; leave out the #{row}")
    try:
        found = chosen.format.read(file, wanted)
    except SettingError as error:
        text = str(error)
        raise SettingError(text if text.startswith(str(place)) else f"{place}: {text}") from None
    return _vector(chosen, found, model)


def candidates(file: VectorFile, wanted: Wanted) -> list[Chosen]:
    """The formats that a file may be of; one only where the file says it."""
    found = [
        (form.match(file, wanted), Chosen(name, form, file))
        for name, form in VECTOR_FORMATS.loadable()
        if file.container in form.containers
    ]
    best = max((match for match, _ in found), default=Match.NO)
    return [one for match, one in found if match == best and best is not Match.NO]


def _choose(file: VectorFile, made_by: str, wanted: Wanted) -> Chosen:
    if made_by:
        form = VECTOR_FORMATS.get(made_by)
        if file.container not in form.containers:
            raise file.fault(f"no file of {form.title}: it holds {contents(file)}")
        return Chosen(made_by, form, file)
    possible = candidates(file, wanted)
    if len(possible) == 1:
        return possible[0]
    if not possible:
        without_model = candidates(file, Wanted(wanted.layer, wanted.row)) if wanted.n_layers is not None else []
        if without_model:
            raise file.fault(
                f"holds {contents(file)}, which does not fit a model of {wanted.n_layers} layers in any format that it "
                f"could be of ({', '.join(one.name for one in without_model)})"
            )
        raise file.fault(
            f"holds {contents(file)}, and no format that trimtab knows looks so; if it is one of them under another "
            f"name, say which (--made-by): {', '.join(VECTOR_FORMATS.names())}"
        )
    raise AmbiguousFile(ambiguity(possible))


def ambiguity(possible: list[Chosen]) -> str:
    """Why a file cannot be read until its maker is named, with what can be seen of it."""
    file = possible[0].file
    hints = list(dict.fromkeys(hint for one in possible for hint in one.format.hints(file)))
    names = [one.name for one in possible]
    summaries = VECTOR_FORMATS.summaries()
    choices = "\n".join(f"  --made-by {name:<16} {summaries[name]}" for name in names)
    seen = f" Seen in it: {'; '.join(hints)}." if hints else ""
    return (
        f"{file.path}: files of {listed(names)} look alike and number layers differently, so say what made it.{seen}\n"
        f"{choices}"
    )


def _parted(path: str | Path) -> tuple[Path, int | None]:
    """A path, and the row behind its `#`."""
    text = str(path)
    head, sign, tail = text.rpartition("#")
    if sign and tail.isdecimal() and len(tail) < 10 and not exists(text):
        return expand_user(head), int(tail)
    return expand_user(text), None


def _own(path: Path, wanted: Wanted, model: Source | None) -> SteeringVector:
    if wanted.row is not None:
        raise SettingError(f"{path}: a vector file of trimtab has no rows to choose from; leave out the #{wanted.row}")
    found = SteeringVector.load(path)
    if wanted.layer is not None:
        found.require_directions([wanted.layer])
        kept = torch.zeros_like(found.direction)
        kept[wanted.layer] = found.direction[wanted.layer]
        found = replace(found, direction=kept)
    if model is None:
        return found
    if found.direction.shape[1] != model.facts.width:
        raise VectorError(f"{path}: of width {found.direction.shape[1]}, and {model.name} has {model.facts.width}")
    with naming(path):
        whole = found if found.n_layers == model.facts.layers else found.with_rows(model.facts.layers)
    return with_residual_norms(whole, model)


def _vector(chosen: Chosen, found: Directions, model: Source | None) -> SteeringVector:
    file = chosen.file
    try:
        rows, n_layers = _stacked(found.rows, found.n_layers, model)
    except VectorError as error:
        raise file.fault(str(error)) from None
    sha256, whole = file.sha256 or found.sha256 or _digest(found.rows), n_layers is not None
    origin = Origin(chosen.name, file.path.name, sha256, found.layer_map, found.notes, is_whole=whole)
    made = _unknown(found.behavior or file.path.stem, origin)
    made = replace(
        made, model=found.model, method=found.method, token_position=found.token_position,
        fingerprint=found.fingerprint,
    )  # fmt: skip
    return SteeringVector(rows, None if model is None else neutral_norms(model), made)


def vector_of_directions(directions: Mapping[int, Any], model: Source | None, name: str) -> SteeringVector:
    """As `SteeringVector.from_directions`."""
    rows: dict[int, Tensor] = {}
    for layer, value in directions.items():
        if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < MAX_LAYERS:
            raise SettingError(f"layer {layer!r} is no number of a layer, counted from 0")
        row = number_tensor(_floating(value))
        if row is None or row.dim() != 1:
            raise VectorError(f"the direction at layer {layer} is no tensor, array or list of [d_model] numbers")
        rows[layer] = row
    if not rows:
        raise VectorError("no direction was given")
    stacked, n_layers = _stacked(rows, None, model)
    made = _unknown(name, Origin(HAND, "", _digest(rows), "layer N as it was given", is_whole=n_layers is not None))
    if model is None:
        return SteeringVector(stacked, None, made)
    return SteeringVector(stacked, neutral_norms(model), replace(made, model=model.name, fingerprint=model.fingerprint))


def _floating(value: Any) -> Any:
    """Whole numbers of an array or tensor as floating-point ones; anything else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return torch.from_numpy(value.astype(np.float32))
    if isinstance(value, Tensor) and value.dtype in (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64):
        return value.float()
    return value


def _stacked(rows: Mapping[int, Tensor], n_layers: int | None, model: Source | None) -> tuple[Tensor, int | None]:
    """[n_layers, d_model], zero where there is no direction, and the number of layers if it is the model's.

    Raises:
        VectorError: for directions that cannot steer, or that do not fit the model.
    """
    widths = {len(row) for row in rows.values()}
    if not widths:
        raise VectorError("there is no direction in it")
    if len(widths) > 1 or 0 in widths:
        raise VectorError(f"the directions have different widths ({', '.join(map(str, sorted(widths)))})")
    (width,), last = widths, max(rows)
    for layer, row in rows.items():
        if not bool(torch.isfinite(row).all()):
            raise VectorError(f"the direction at layer {layer} holds NaN or infinite values")
    if not any(bool(row.any()) for row in rows.values()):
        raise VectorError("the direction is zero at every layer, so there is nothing to steer along")
    if last >= MAX_LAYERS or (last + 1) * width * 4 > MAX_FILE_BYTES:
        raise VectorError(f"a direction at layer {last} of width {width}: no model is that large")
    if model is not None:
        if width != model.facts.width:
            raise VectorError(f"the directions have width {width}, and {model.name} {model.facts.width}")
        if last >= model.facts.layers:
            raise VectorError(f"there is a direction at layer {last}, and {model.name} has {model.facts.layers} layers")
        n_layers = model.facts.layers
    stacked = torch.zeros(n_layers or last + 1, width)
    for layer, row in rows.items():
        stacked[layer] = row
    return stacked, n_layers


def _unknown(name: str, origin: Origin) -> Provenance:
    """A provenance of which only the name and the origin are known."""
    return Provenance(
        model="", fingerprint="", behavior=name, pairs_hash="", pairs=None, method="", token_position="", form="",
        balance="", template_hash="", versions=versions(), origin=origin,
    )  # fmt: skip


def _digest(rows: Mapping[int, Tensor]) -> str:
    digest = hashlib.sha256()
    for layer in sorted(rows):
        digest.update(f"{layer}:".encode() + rows[layer].contiguous().numpy().tobytes())
    return digest.hexdigest()
