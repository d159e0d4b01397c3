"""Vector and monitor files whose checksum is right and whose content is not: each fault is named with its file."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trimtab.errors import SettingError, VectorError
from trimtab.monitors import Monitor
from trimtab.monitors.monitor import MonitorProvenance
from trimtab.steering import steering
from trimtab.vectors import LetterLeakage, Provenance, SteeringVector
from trimtab.vectors.tensor_file import write_tensors

VECTOR = Provenance(
    model="tiny", fingerprint="abc", behavior="kind", pairs_hash="123", pairs=8, method="mean", token_position="answer",
    form="choice", balance="both_orders", template_hash="def", versions={"torch": "2"}, first_token_ratio=(3.0, 4.5),
    letter=LetterLeakage((0.1, 0.2), (0.5, 0.6)),
)  # fmt: skip
MONITOR = MonitorProvenance(
    model="tiny", fingerprint="abc", behavior="kind", pairs_hash="123", pairs=8, token_position="last", form="text",
    balance="off", template_hash="def", layer=1, select_pairs=4, select_auroc=(0.5, 0.9), select_token_auroc=(0.5, 0.8),
    seen=("a",), versions={"torch": "2"}, held_out={"auroc": 0.9},
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One kind of file: a sound one, and who reads it."""

    layout: str
    tensors: dict[str, Tensor]
    made: Any
    load: Callable[[Path], Any]

    def write(self, path: Path, tensors: dict[str, Tensor] | None = None, made: Any = None) -> Path:
        header = {"provenance": asdict(self.made) if made is None else made}
        return write_tensors(path / "f.safetensors", "x", self.layout, tensors or self.tensors, header)


KINDS = {
    "vector": Kind(
        "trimtab-vectors-1",
        {"direction": torch.ones(2, 4), "residual_norm": torch.ones(2)},
        VECTOR,
        SteeringVector.load,
    ),
    "monitor": Kind(
        "trimtab-monitor-1",
        {"weight": torch.ones(2, 4)} | {name: torch.ones(2) for name in ("bias", "text_slope", "text_offset")},
        MONITOR,
        Monitor.load,
    ),
}
EVERY_TENSOR = [(kind, name) for kind, found in KINDS.items() for name in found.tensors]
DAMAGE: dict[str, Callable[[Tensor], Tensor]] = {
    "integer": Tensor.long,
    "boolean": Tensor.bool,
    "complex": lambda t: t.to(torch.complex64),
    "half": Tensor.half,
    "double": Tensor.double,
    "a row more dimension": lambda t: t[None].contiguous(),
    "scalar": lambda t: t.sum(),
    "no layers": lambda t: t[:0].contiguous(),
    "a layer less": lambda t: t[:1].contiguous(),
    "NaN": lambda t: t * float("nan"),
    "infinite": lambda t: t * float("inf"),
}


def refused(kind: Kind, path: Path) -> str:
    with pytest.raises(VectorError) as caught:
        kind.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_file_is_read(kind: str, tmp_path: Path) -> None:
    assert KINDS[kind].load(KINDS[kind].write(tmp_path)).provenance == KINDS[kind].made


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(("kind", "name"), EVERY_TENSOR)
def test_every_tensor_is_finite_float32_of_its_rank(kind: str, name: str, damage: str, tmp_path: Path) -> None:
    found = KINDS[kind]
    tensors = found.tensors | {name: DAMAGE[damage](found.tensors[name])}
    if damage in ("integer", "boolean", "complex", "half", "double", "a row more dimension"):
        assert name in refused(found, found.write(tmp_path, tensors))
    elif damage == "scalar":  # which `write_tensors` cannot hash: written by hand, as somebody else's file
        from safetensors.torch import save_file

        save_file(tensors, tmp_path / "f.safetensors", metadata={"format": found.layout})
        assert name in refused(found, tmp_path / "f.safetensors")
    else:
        refused(found, found.write(tmp_path, tensors))


@pytest.mark.parametrize("wrong", [None, True, -0.5, 10**30, "x", [], [[1]], {}, {"a": {"b": 1}}])
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_provenance_has_its_type(kind: str, wrong: object, tmp_path: Path) -> None:
    found = KINDS[kind]
    sound = asdict(found.made)
    for name, value in sound.items():
        if isinstance(wrong, type(value)) or (name in ("letter", "seed", "pair_id") and wrong in (None, "x", 10**30)):
            continue
        if wrong is None and (name == "origin" or (name, kind) == ("pairs", "vector")):
            continue
        if (isinstance(value, tuple) and wrong == []) or (isinstance(value, dict) and wrong == {}):
            continue
        assert name in refused(found, found.write(tmp_path, made={**sound, name: wrong})), name


@pytest.mark.parametrize("kind", KINDS)
def test_fields_that_lack_or_are_not_known_are_named(kind: str, tmp_path: Path) -> None:
    found = KINDS[kind]
    sound = asdict(found.made)
    assert "behavior" in refused(found, found.write(tmp_path, made={k: v for k, v in sound.items() if k != "behavior"}))
    assert "surprise" in refused(found, found.write(tmp_path, made={**sound, "surprise": 1}))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"model": 1, "model": 2}', "", "null"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_provenance_of_any_depth_is_refused(kind: str, text: str, tmp_path: Path) -> None:
    found = KINDS[kind]
    path = found.write(tmp_path)
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["provenance"] = text
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + content[8 + length :])
    refused(found, path)


@pytest.mark.parametrize("claimed", [99_000_000, 2**40, 2**63])
@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_claims_to_be_huge_is_not_read(kind: str, claimed: int, tmp_path: Path) -> None:
    path = KINDS[kind].write(tmp_path)
    path.write_bytes(struct.pack("<Q", claimed) + path.read_bytes()[8:])
    assert "header" in refused(KINDS[kind], path)


def test_directions_whose_norm_overflows_or_is_zero_everywhere_are_refused(tmp_path: Path) -> None:
    found = KINDS["vector"]
    for direction, words in ((torch.full((2, 4), 3e38), "infinite"), (torch.zeros(2, 4), "zero at every layer")):
        assert words in refused(found, found.write(tmp_path, found.tensors | {"direction": direction}))
    negative = found.tensors | {"residual_norm": torch.tensor([1.0, -1.0])}
    assert "residual norms" in refused(found, found.write(tmp_path, negative))


def test_a_layer_whose_direction_is_zero_has_none_and_cannot_be_steered_at(tmp_path: Path) -> None:
    found = KINDS["vector"]
    direction = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    vector = SteeringVector.load(found.write(tmp_path, found.tensors | {"direction": direction}))
    assert vector.layers == (1,)
    with pytest.raises(SettingError, match="no direction at layer 0; it has one at layer 1"):
        steering(vector, 0, 1.0)


def test_a_probe_that_is_zero_where_it_is_read_is_refused(tmp_path: Path) -> None:
    found = KINDS["monitor"]
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert "layer 1 is zero" in refused(found, found.write(tmp_path, found.tensors | {"weight": weight}))


def test_values_by_layer_are_as_many_as_there_are_layers(tmp_path: Path) -> None:
    vector, monitor = KINDS["vector"], KINDS["monitor"]
    short = asdict(replace(VECTOR, letter=LetterLeakage((0.1,), (0.5, 0.6))))
    assert "letter.cosine has 1 values for 2 layers" in refused(vector, vector.write(tmp_path, made=short))
    short = asdict(replace(MONITOR, select_auroc=(0.5,)))
    assert "select_auroc has 1 values for 2 layers" in refused(monitor, monitor.write(tmp_path, made=short))


def test_python_is_refused_the_same(tmp_path: Path) -> None:
    for direction in ([[1.0, 2.0]], torch.ones(2, 4, dtype=torch.long), torch.tensor(1.0)):
        with pytest.raises(VectorError, match="direction"):
            SteeringVector(direction, torch.ones(2), VECTOR)  # type: ignore[arg-type]


def test_a_foreign_file_is_told_with_what_it_holds(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"steer.layer.3": torch.ones(4)}, tmp_path / "theirs.safetensors")
    message = refused(KINDS["vector"], tmp_path / "theirs.safetensors")
    assert "steer.layer.3" in message
    assert "again" not in message
