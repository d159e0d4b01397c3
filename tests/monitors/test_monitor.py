"""The monitor itself: its file, its gate, and the models it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny import tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import hidden_of, wrap
from trimtab.monitors import Monitor
from trimtab.vectors import SteeringVector


@pytest.fixture
def file(monitor: Monitor, tmp_path: Path) -> Path:
    measured = replace(monitor, provenance=replace(monitor.provenance, held_out={"auroc": 0.9}))
    return measured.save(tmp_path / "folder" / "m.safetensors")


def test_what_is_saved_is_loaded(monitor: Monitor, file: Path, chatty: Model) -> None:
    loaded = Monitor.load(file)
    for name in ("weight", "bias", "text_slope", "text_offset"):
        assert torch.equal(getattr(loaded, name), getattr(monitor, name))
    assert loaded.provenance == replace(monitor.provenance, held_out={"auroc": 0.9})
    assert loaded.score(chatty, "aeio").messages == monitor.score(chatty, "aeio").messages
    assert [p.name for p in file.parent.iterdir()] == ["m.safetensors"]
    assert set(load_file(file)) == {"weight", "bias", "text_slope", "text_offset"}


def test_files_that_are_no_monitor_are_refused(chatty: Model, file: Path, tmp_path: Path) -> None:
    vectors = vector_for(chatty.backbone).save(tmp_path / "v.safetensors")
    with pytest.raises(VectorError, match="not a monitor file of trimtab"):
        Monitor.load(vectors)
    with pytest.raises(VectorError, match="not a vector file of trimtab"):
        SteeringVector.load(file)
    with pytest.raises(VectorError, match="no such monitor file"):
        Monitor.load(tmp_path / "none.safetensors")


def test_damaged_files_are_refused(file: Path) -> None:
    content = bytearray(file.read_bytes())
    file.write_bytes(content[:200])
    with pytest.raises(VectorError, match="not a readable safetensors file"):
        Monitor.load(file)
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(VectorError, match="do not match their checksum"):
        Monitor.load(file)


def test_a_header_that_cannot_be_read_is_refused(file: Path) -> None:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        header = dict(opened.metadata(), provenance='{"model": 1}')
    save_file(load_file(file), file, metadata=header)
    with pytest.raises(VectorError, match="provenance cannot be read"):
        Monitor.load(file)


def test_shapes_values_and_layers_that_cannot_be_are_refused(monitor: Monitor) -> None:
    with pytest.raises(VectorError, match="NaN"):
        replace(monitor, bias=monitor.bias * torch.nan)
    with pytest.raises(VectorError, match=r"\[n_layers\]"):
        replace(monitor, bias=monitor.bias[:2])
    with pytest.raises(VectorError, match="layers 0 to 3"):
        monitor.at(4)


def test_a_model_of_another_shape_is_refused_and_other_weights_are_warned_of(monitor: Monitor) -> None:
    other = Model(wrap(tiny_model("llama", seed=1), tiny_tokenizer(), name="other"))
    with pytest.warns(TrimtabWarning, match=r"the monitor was taken from other weights \(tiny-chat\) than other"):
        monitor.score(other, "aeio")
    small = Model(wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="small"))
    with pytest.raises(VectorError, match=r"the monitor is for tiny-chat"):
        monitor.score(small, "aeio")


def test_a_steered_model_is_not_scored(chatty: Model, monitor: Monitor) -> None:
    with chatty.steer(vector_for(chatty.backbone), layer=1), pytest.raises(SettingError, match="being steered"):
        monitor.score(chatty, "aeio")


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_its_gate_opens_where_its_tokens_score_above_the_threshold(
    chatty: Model, monitor: Monitor, threshold: float
) -> None:
    """Pushed are the tokens that `score` puts above the threshold, but for the first, which is never pushed."""
    layer = monitor.layer
    found = monitor.score(chatty, "aeio klmp oiea")
    ids = torch.tensor([chatty.backbone.tokenizer("".join(found.pieces), add_special_tokens=False)["input_ids"]])
    states: list[torch.Tensor] = []
    module = chatty.backbone.anatomy.layers[layer]
    with torch.no_grad(), chatty.steer(
        vector_for(chatty.backbone), layer=layer, strength=3.0, gate=monitor.gate(threshold)
    ):  # fmt: skip
        handles = [
            module.register_forward_hook(lambda m, a, output: states.append(hidden_of(output)), prepend=first)
            for first in (True, False)
        ]
        try:
            chatty.backbone.model(ids)
        finally:
            for handle in handles:
                handle.remove()
    moved = (states[0] != states[1]).any(dim=-1)[0].tolist()
    assert moved == [bool(p > threshold) for p in found.probability]
    assert True in moved[1:]
    assert False in moved[1:]


def test_a_gate_asks_the_probe_of_each_pushed_layer(chatty: Model, monitor: Monitor) -> None:
    gate = monitor.gate()
    for layer in range(4):
        assert torch.equal(gate.weight[layer], monitor.weight[layer])
        assert gate.bias[layer] == float(monitor.bias[layer])
