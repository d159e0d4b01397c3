"""From a vector to an intervention, and whether the vector fits the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from tiny import tiny_model, tiny_tokenizer, vector_for
from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import Backbone, wrap
from trimtab.steering import UNSTEERED, Cell, SteeringOptions, SteeringSetting, require_fit, steering


def test_a_setting_picks_the_directions_of_its_layers(llama: Backbone) -> None:
    vector = vector_for(llama)
    one, several = (
        steering(vector, 2, 0.5),
        steering(vector, [0, 3], -1, scale="raw", positions="prompt", first_token=True),
    )
    assert list(one.directions) == [2]
    assert torch.equal(one.directions[2], vector.direction[2])
    assert (one.strength, one.scale, one.positions, one.first_token) == (0.5, "relative", "all", False)
    assert list(several.directions) == [0, 3]
    assert (several.scale, several.positions, several.first_token) == ("raw", "prompt", True)


def test_layers_may_share_the_strength(llama: Backbone) -> None:
    vector = vector_for(llama)
    assert steering(vector, [0, 1, 3], 0.6, scale="relative", share_strength=True).strength == pytest.approx(0.2)
    assert steering(vector, 1, 0.6, share_strength=True).strength == 0.6
    with pytest.raises(SettingError, match="cannot share"):
        steering(vector, [0, 1], 1.0, scale="project_out", share_strength=True)


def test_layers_may_all_be_pushed_along_the_vector_of_one(llama: Backbone) -> None:
    vector = vector_for(llama)
    everywhere = steering(vector, [0, 3], 1.0, vector_layer=2)
    assert list(everywhere.directions) == [0, 3]
    assert all(torch.equal(direction, vector.direction[2]) for direction in everywhere.directions.values())
    with pytest.raises(SettingError, match="layer 9 is out of range"):
        steering(vector, 0, 1.0, vector_layer=9)


@pytest.mark.parametrize("layer", [-1, 4])
def test_a_layer_without_direction_is_refused(llama: Backbone, layer: int) -> None:
    with pytest.raises(SettingError, match=f"layer {layer} is out of range: this model has layers 0 to 3"):
        steering(vector_for(llama), layer, 1.0)


def test_no_layer_is_refused(llama: Backbone) -> None:
    with pytest.raises(SettingError, match="no layer"):
        steering(vector_for(llama), [], 1.0)


def test_a_vector_of_this_model_fits(llama: Backbone) -> None:
    require_fit(vector_for(llama), llama)


def test_a_vector_of_another_shape_is_refused(llama: Backbone) -> None:
    with pytest.raises(VectorError, match=r"tiny-llama \(layers × width \[3, 48\]\); tiny-llama needs \[4, 48\]"):
        require_fit(vector_for(llama, layers=3), llama)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.model.layers[1].mlp.down_proj.weight.mul_(3), "taken from other weights"),
        (lambda m: setattr(m.config, "rms_norm_eps", 0.1), "another configuration"),
    ],
)
def test_a_vector_of_another_model_warns(llama: Backbone, change: Callable[[Any], Any], told: str) -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        change(model)
    with pytest.warns(TrimtabWarning, match=told):
        require_fit(vector_for(llama), wrap(model, tiny_tokenizer(), name="other"))


@pytest.mark.parametrize("old", ["0123456789abcdef", ""])
def test_a_vector_whose_weights_cannot_be_told_warns_and_says_what_to_do(llama: Backbone, old: str) -> None:
    vector = vector_for(llama)
    vector = replace(vector, provenance=replace(vector.provenance, fingerprint=old))
    with pytest.warns(TrimtabWarning, match=r"cannot be verified .* Make the vector again"):
        require_fit(vector, llama)


def test_a_setting_comes_back_from_a_mapping_as_it_was() -> None:
    setting = SteeringSetting("relative", "prompt", first_token=True, share_strength=True, vector_layer=3)
    plain = {field.name: getattr(setting, field.name) for field in fields(setting) if field.name != "gate"}
    assert SteeringSetting.from_mapping(plain) == setting
    assert SteeringSetting.from_mapping({}) == SteeringSetting()


def test_the_keyword_options_are_the_fields_of_the_setting() -> None:
    assert set(SteeringOptions.__annotations__) == {f.name for f in fields(SteeringSetting)} - {"gate"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"scal": "raw"}, "'scal'.*did you mean 'scale'"),
        ({"scale": "absolute"}, "absolute"),
        ({"scale": 1}, "scale: 1"),
        ({1: 2}, "unknown steering option '1'"),
        ({"positions": "last"}, "last"),
        ({"first_token": 1}, "first_token: 1"),
        ({"vector_layer": True}, "vector_layer: True"),
        ({"vector_layer": -1}, "layer -1"),
        ({"scale": "clamp", "share_strength": True}, "clamp"),
    ],
)
def test_options_that_cannot_steer_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        SteeringSetting.from_mapping(options)


@pytest.mark.parametrize(
    ("cell", "label", "layers"),
    [
        (Cell((9,), 0.1234567891), "9 at +0.1234567891", "9"),
        (Cell((9, 10), 0.3), "9+10 at +0.3", "9+10"),
        (Cell((9,), -1.0), "9 at -1", "9"),
        (UNSTEERED, "unsteered", ""),
    ],
)
def test_a_cell_has_a_label_of_its_own(cell: Cell, label: str, layers: str) -> None:
    assert (cell.label, cell.layers_label) == (label, layers)


def test_a_cell_is_a_tuple_of_its_layers_and_its_strength() -> None:
    assert Cell((1, 2), 0.5) == ((1, 2), 0.5)
    assert Cell((1, 2), 0.5).columns(4) == {"layer": 1, "layers": "1+2", "depth": 0.5, "strength": 0.5}
    assert UNSTEERED.columns(4) == {"layer": -1, "layers": "", "depth": 0.0, "strength": 0.0}
