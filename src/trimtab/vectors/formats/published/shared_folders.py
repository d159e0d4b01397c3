"""Folders that `trimtab hub push` writes: a plain tensor, and `steering.json`, which says how it is used.

`vectors.safetensors` holds one tensor `direction` [n_layers, d_model]; row N is added behind decoder layer N, counted
from 0. The sizes and hashes of the files stand in `steering.json`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter, ValidationError

from trimtab.errors import VectorError, shortened
from trimtab.inputs.bounded_files import MIB, FileKind
from trimtab.inputs.json_text import read_json
from trimtab.vectors.formats._containers import VECTOR_FILE, open_safetensors, sha256_of
from trimtab.vectors.formats.base import AS_IS, Container, Directions, Match, VectorFile, VectorFormat, Wanted, only
from trimtab.vectors.tensor_file import NO_OTHER_FIELDS

LAYOUT: Literal["trimtab-hub-1"] = "trimtab-hub-1"
VECTORS, CONTROL_VECTOR, STEERING, CARD = "vectors.safetensors", "control_vector.gguf", "steering.json", "README.md"
MONITOR = "monitor.safetensors"
"""Of a setting with a condition on the prompt."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
"""`owner/name`, of a model on the hub."""
Unit = Literal["raw", "relative"]
_TENSOR = "direction"
_MAX_LAYERS = 10_000
_MAX_NAME = 1000
"""Characters of what is printed."""
_JSON = FileKind(STEERING, MIB, VectorError)


@dataclass(frozen=True)
class SharedModel:
    """The model that the vector was made from; what is unknown is empty."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    name: str
    base_model: str
    """`owner/name` on the hub."""
    fingerprint: str
    """Of its weights."""
    n_layers: int
    width: int


@dataclass(frozen=True)
class SharedMaking:
    """How the vector was made; what is unknown is empty or null."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    method: str
    token_position: str
    pairs: int | None


@dataclass(frozen=True)
class SharedCondition:
    """What a prompt has to fulfil for its text to be pushed."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    monitor: str
    """The file of the linear probes: `weight` [n_layers, width] and `bias`; its header says which layer is read."""
    above: float
    """The probability 1 / (1 + exp(−(w·h + b))) above which is pushed."""
    reads: Literal["mean", "last"]
    """h: the mean state of the prompt's tokens behind its first, or the state of its last; of the model as it is."""


@dataclass(frozen=True)
class SharedSetting:
    """How to steer."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    layers: tuple[int, ...]
    strength: float
    """α at each of the layers."""
    unit: Unit
    """raw: α·v is added; relative: α·‖h‖·v/‖v‖, h being the state of each token."""
    lengths: tuple[float | None, ...]
    """Of the constant that does the same on average, by layer; null where residual norms are unknown."""
    positions: str
    first_token: bool
    """Whether the first token of a text is pushed."""
    operation: Literal["add"] = "add"
    site: Literal["resid_post"] = "resid_post"
    when: SharedCondition | None = None
    """Decided once for each text, on its prompt; None: every text is pushed."""


@dataclass(frozen=True)
class SharedEffect:
    """What was measured at the setting, on held-out prompts."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    measure: str
    unit: str
    change: float
    low: float | None
    high: float | None
    """The 95% interval; null where there are too few prompts for one."""
    statement: str
    """The verdict of the run in words."""


@dataclass(frozen=True)
class SharedFile:
    """A file of the folder."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Steering:
    """What `steering.json` says."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    format: Literal["trimtab-hub-1"]
    behavior: str
    model: SharedModel
    vector: SharedMaking
    setting: SharedSetting
    layer_map: str
    effect: SharedEffect | None
    files: Mapping[str, SharedFile]


def steering_json(steering: Steering) -> dict[str, Any]:
    """What `steering.json` holds; without a condition on the prompt as versions before it read."""
    content = asdict(steering)
    if steering.setting.when is None:
        del content["setting"]["when"]
    return content


def read_steering(folder: Path) -> Steering:
    """What a folder says about itself, every field of its type.

    Raises:
        VectorError: With the file and what is wrong in it.
    """
    path = folder / STEERING
    content = read_json(path, _JSON)
    found = content.get("format") if isinstance(content, dict) else None
    if found != LAYOUT:
        raise VectorError(f"{path}: its format is {str(found)[:40]!r}, not {LAYOUT!r}")
    try:
        # Checked as JSON: its lists are the tuples of the fields.
        steering = _STEERING.validate_json(_STEERING_JSON.dump_json(content), strict=True)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise VectorError(f"{path}: {'; '.join(shortened(faults, 5))[:600]}") from None
    if reason := _why_unusable(steering):
        raise VectorError(f"{path}: {reason}")
    return steering


_STEERING: TypeAdapter[Steering] = TypeAdapter(Steering)
_STEERING_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _why_unusable(steering: Steering) -> str:
    """What no folder of trimtab says; empty if it may be one."""
    model, use = steering.model, steering.setting
    if not (0 < model.n_layers <= _MAX_LAYERS and model.width > 0):
        return f"a model of {model.n_layers} layers and width {model.width} cannot be"
    told = (
        steering.behavior,
        model.name,
        *((steering.effect.measure, steering.effect.unit) if steering.effect else ()),
    )
    if any(len(text) > _MAX_NAME for text in told):
        return f"a name of more than {_MAX_NAME} characters"
    if not use.layers or len(set(use.layers)) < len(use.layers) or len(use.layers) != len(use.lengths):
        return "setting: needs one or more layers, each once, with a length for each"
    if stray := [layer for layer in use.layers if not 0 <= layer < model.n_layers]:
        return f"setting: layer {stray[0]} is none of the model's {model.n_layers}, counted from 0"
    if not (math.isfinite(use.strength) and use.strength):
        return f"setting: strength {use.strength} is no push"
    if model.base_model and not HUB_ID.fullmatch(model.base_model):
        return f"model: base_model {model.base_model[:80]!r} is no owner/name of the hub"
    if VECTORS not in steering.files or not set(steering.files) <= {VECTORS, CONTROL_VECTOR, MONITOR}:
        return (
            f"files: lists {', '.join(sorted(steering.files))[:200] or 'none'}; it needs {VECTORS}, and may name "
            f"{CONTROL_VECTOR} and {MONITOR}"
        )
    if (when := use.when) is not None:
        if when.monitor != MONITOR or MONITOR not in steering.files:
            return f"setting: its condition needs {MONITOR}, among the files"
        if not 0 < when.above < 1:
            return f"setting: a condition above {when.above} is no probability"
    return ""


class SharedFolder(VectorFormat):
    """The folder."""

    title: ClassVar[str] = "trimtab hub"
    containers: ClassVar[frozenset[Container]] = frozenset({"folder"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By the names of its files."""
        return Match.CERTAIN if {VECTORS, STEERING} <= set(file.content) else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Every direction in it, once sizes and hashes agree.

        Raises:
            VectorError: When a file is missing, changed or something else than `steering.json` says.
            SettingError: When a layer is asked for that has no direction.
        """
        steering = read_steering(file.path)
        for name, told in steering.files.items():
            needed = name == VECTORS or (name == MONITOR and steering.setting.when is not None)
            if needed or name in file.content:
                _require_same(file.path / name, told)
        path = file.path / VECTORS
        inner = open_safetensors(path)
        if set(inner.content) != {_TENSOR}:
            raise inner.fault(f"must hold one tensor {_TENSOR!r}, and nothing else")
        rows, model = inner.content[_TENSOR], steering.model
        if rows is None or list(rows.shape) != [model.n_layers, model.width]:
            shape = "no numbers" if rows is None else list(rows.shape)
            raise inner.fault(f"{_TENSOR} is {shape}, and {STEERING} says [{model.n_layers}, {model.width}]")
        found = {layer: row for layer, row in enumerate(rows) if bool(row.any())}
        if missing := [layer for layer in steering.setting.layers if layer not in found]:
            raise inner.fault(f"has no direction at layer {missing[0]}, which {STEERING} recommends")
        return Directions(
            only(found, wanted),
            AS_IS,
            n_layers=model.n_layers,
            behavior=steering.behavior,
            model=model.base_model or model.name,
            method=steering.vector.method,
            token_position=steering.vector.token_position,
            sha256=inner.sha256,
            fingerprint=model.fingerprint,
        )


def _require_same(path: Path, told: SharedFile) -> None:
    """Refuse a file that is not the one that was written, before anything reads it."""
    if not 0 < told.bytes <= VECTOR_FILE.max_bytes:
        raise VectorError(f"{path.parent / STEERING}: files: {path.name} of {told.bytes:,} bytes is no vector file")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise VectorError(f"{path}: cannot be read ({error.strerror or error})") from None
    if size != told.bytes:
        raise VectorError(f"{path}: has {size:,} bytes, and {STEERING} says {told.bytes:,}; fetch the folder again")
    if sha256_of(path) != told.sha256:
        raise VectorError(f"{path}: its SHA-256 is not the one in {STEERING}: it was changed; fetch the folder again")


SHARED_FOLDER = SharedFolder()
