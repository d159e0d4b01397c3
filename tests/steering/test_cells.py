"""From a vector to an intervention, and whether the vector fits the model."""

from __future__ import annotations

import pytest
import torch

from tiny import vector_for
from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import Backbone
from trimtab.steering import at, require_fit


def test_a_setting_picks_the_directions_of_its_layers(llama: Backbone) -> None:
    vector = vector_for(llama)
    one, several = at(vector, 2, 0.5), at(vector, [0, 3], -1, scale="relative", positions="prompt", first_token=True)
    assert list(one.directions) == [2]
    assert torch.equal(one.directions[2], vector.direction[2])
    assert (one.strength, one.scale, one.positions, one.first_token) == (0.5, "raw", "all", False)
    assert list(several.directions) == [0, 3]
    assert (several.scale, several.positions, several.first_token) == ("relative", "prompt", True)


def test_layers_may_share_the_strength(llama: Backbone) -> None:
    vector = vector_for(llama)
    assert at(vector, [0, 1, 3], 0.6, scale="relative", share_strength=True).strength == pytest.approx(0.2)
    assert at(vector, 1, 0.6, share_strength=True).strength == 0.6
    with pytest.raises(SettingError, match="cannot share"):
        at(vector, [0, 1], 1.0, scale="project_out", share_strength=True)


def test_layers_may_all_be_pushed_along_the_vector_of_one(llama: Backbone) -> None:
    vector = vector_for(llama)
    everywhere = at(vector, [0, 3], 1.0, vector_layer=2)
    assert list(everywhere.directions) == [0, 3]
    assert all(torch.equal(direction, vector.direction[2]) for direction in everywhere.directions.values())
    with pytest.raises(SettingError, match="layer 9 is out of range"):
        at(vector, 0, 1.0, vector_layer=9)


@pytest.mark.parametrize("layer", [-1, 4])
def test_a_layer_without_direction_is_refused(llama: Backbone, layer: int) -> None:
    with pytest.raises(SettingError, match=f"layer {layer} is out of range: this model has layers 0 to 3"):
        at(vector_for(llama), layer, 1.0)


def test_no_layer_is_refused(llama: Backbone) -> None:
    with pytest.raises(SettingError, match="no layer"):
        at(vector_for(llama), [], 1.0)


def test_a_vector_of_this_model_fits(llama: Backbone) -> None:
    require_fit(vector_for(llama), llama)


def test_a_vector_of_another_shape_is_refused(llama: Backbone) -> None:
    with pytest.raises(VectorError, match=r"tiny-llama \(layers × width \[3, 48\]\); tiny-llama needs \[4, 48\]"):
        require_fit(vector_for(llama, layers=3), llama)


def test_a_vector_of_other_weights_warns(llama: Backbone) -> None:
    with pytest.warns(TrimtabWarning, match="taken from other weights"):
        require_fit(vector_for(llama, fingerprint="other"), llama)
