"""What every vector format must do: read its layout, state its layer map, invent nothing, refuse damage."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabError, VectorError
from trimtab.vectors import SteeringVector
from trimtab.vectors.formats import VECTOR_FORMATS, Directions, Match, VectorFile, VectorFormat, Wanted
from vector_files import LAYERS, LAYOUTS, WIDTH, Layout, T

EVERY = pytest.mark.parametrize("name", LAYOUTS)


def read(layout: Layout, folder: Path) -> SteeringVector:
    return SteeringVector.read(layout.write(folder), **layout.options)


def test_every_format_has_a_layout_here() -> None:
    assert {name.partition(",")[0] for name in LAYOUTS} == set(VECTOR_FORMATS.built_in)


@EVERY
def test_directions_are_at_the_layers_of_the_map(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    vector = read(layout, tmp_path)
    assert vector.layers == tuple(sorted(layout.rows))
    for layer, row in layout.rows.items():
        torch.testing.assert_close(vector.direction[layer], row, rtol=1e-5, atol=1e-5)


@EVERY
def test_where_it_comes_from_is_recorded_and_nothing_is_invented(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    place = layout.write(tmp_path)
    made = SteeringVector.read(place, **layout.options).provenance
    origin = made.origin
    assert origin is not None
    assert origin.made_by == name.partition(",")[0]
    assert layout.says in " ".join([origin.layer_map, *origin.notes])
    file = Path(str(place).partition("#")[0])
    assert origin.file in (file.name, file.parent.name)
    if file.is_file():
        assert origin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(origin.sha256) == 64
    assert origin.is_whole == layout.whole
    assert made.behavior == layout.behavior or not layout.behavior
    assert (made.fingerprint, made.pairs_hash, made.pairs, made.template_hash) == ("", "", None, "")


@EVERY
def test_a_saved_import_is_read_back_as_it_was(name: str, tmp_path: Path) -> None:
    vector = read(LAYOUTS[name], tmp_path)
    loaded = SteeringVector.load(vector.save(tmp_path / "imported.safetensors"))
    assert torch.equal(loaded.direction, vector.direction)
    assert loaded.residual_norm is None
    assert loaded.provenance == vector.provenance


@EVERY
def test_with_a_model_every_layer_has_a_row_and_norms_are_measured(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    vector = SteeringVector.read(layout.write(tmp_path), model=Model(tiny("llama")), **layout.options)
    assert vector.n_layers == LAYERS
    assert vector.is_whole
    assert bool((vector.require_residual_norm() > 0).all())
    assert vector.provenance.fingerprint == ""


@EVERY
def test_one_layer_of_it_can_be_taken(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    layer = max(layout.rows)
    vector = SteeringVector.read(layout.write(tmp_path), **{**layout.options, "layer": layer})
    assert vector.layers == (layer,)


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if "layer" not in layout.options])
def test_a_layer_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    with pytest.raises(SettingError, match="17"):
        SteeringVector.read(layout.write(tmp_path), **{**layout.options, "layer": 17})


def _inner_file(place: Path) -> Path:
    place = Path(str(place).partition("#")[0])
    return (
        next(file for file in sorted(place.iterdir()) if file.suffix not in (".json", ".md"))
        if place.is_dir()
        else place
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.97])
@EVERY
def test_a_truncated_file_is_refused_with_its_name(name: str, share: float, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    place = layout.write(tmp_path)
    file = _inner_file(place)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(VectorError) as caught:
        SteeringVector.read(place, **layout.options)
    assert str(file.parent) in str(caught.value)


@EVERY
def test_a_model_of_another_width_is_refused(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    model = Model(tiny("llama"))
    narrow = replace(model.facts, width=WIDTH + 2)

    class Narrow:
        name = "narrow"
        facts = narrow

    with pytest.raises(VectorError, match="width"):
        SteeringVector.read(layout.write(tmp_path), model=Narrow(), **layout.options)  # type: ignore[arg-type]


class Shouting(VectorFormat):
    """A format from another package."""

    title = "shouting files"
    containers = frozenset({"json"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        return Match.CERTAIN if "LOUD" in file.content else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        return Directions({2: torch.tensor(file.content["LOUD"])}, "LOUD is layer 2")


def test_a_format_from_elsewhere_is_read_like_trimtabs_own(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text('{"LOUD": [1.0, 2.0]}', encoding="utf-8")
    with VECTOR_FORMATS.temporarily("loud", Shouting(), "JSON that shouts"):
        vector = SteeringVector.read(path)
    assert vector.layers == (2,)
    assert vector.provenance.origin is not None
    assert vector.provenance.origin.made_by == "loud"


def test_trimtabs_own_file_is_read_as_it_is(tmp_path: Path) -> None:
    own = SteeringVector.from_directions({1: T[1], 3: T[3]}, name="kind")
    path = own.save(tmp_path / "v.safetensors")
    assert SteeringVector.read(path).provenance == own.provenance
    assert SteeringVector.read(path, layer=3).layers == (3,)
    model = Model(tiny("llama"))
    assert SteeringVector.read(path, model=model).residual_norm is not None
    shallow = SteeringVector.from_directions({1: T[1]}).save(tmp_path / "shallow.safetensors")
    assert SteeringVector.read(shallow, model=model).n_layers == LAYERS
    deep = SteeringVector.from_directions({LAYERS: T[1]}).save(tmp_path / "deep.safetensors")
    narrow = SteeringVector.from_directions({1: [1.0, 2.0]}).save(tmp_path / "narrow.safetensors")
    for other in (deep, narrow):
        with pytest.raises(VectorError, match=other.name):
            SteeringVector.read(other, model=model)
    for options in ({"made_by": "repeng"}, {"layer": 2}):
        with pytest.raises(TrimtabError):
            SteeringVector.read(path, **options)
