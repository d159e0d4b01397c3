"""A streamed model gives the numbers of the model in memory, reads each layer once a pass, and holds none of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import peculiar
from sweeps import make_cells, swept
from tiny import CONFIGS, random_pairs, tiny_model, tiny_tokenizer
from trimtab._util import layer_progress
from trimtab.engines import TransformersEngine
from trimtab.errors import ModelError
from trimtab.models import BUNDLED, Backbone, load_backbone
from trimtab.models.streaming._read_buffers import ALIGNMENT, ReadBuffers

IDS = torch.arange(3, 60).reshape(3, 19)


def saved(model: Any, folder: Path) -> Path:
    """A model on disk, in several files."""
    model.save_pretrained(folder, max_shard_size="100KB")
    tiny_tokenizer().save_pretrained(folder)
    return folder


def loaded(folder: Path, dtype: Any = "float32", stream: bool = True) -> Backbone:
    return load_backbone(str(folder), dtype=dtype, device="cpu", stream=stream)


def passed(backbone: Backbone, ids: torch.Tensor = IDS) -> Any:
    with torch.no_grad():
        return backbone.model(ids, output_hidden_states=True)


def require_the_same(folder: Path, dtype: str = "float32") -> None:
    whole, streamed = loaded(folder, dtype, stream=False), loaded(folder, dtype)
    assert streamed.stream is not None
    assert whole.stream is None
    before = list(streamed.stream.reads)
    expected, found = passed(whole), passed(streamed)
    assert torch.equal(found.logits, expected.logits)
    assert all(torch.equal(one, other) for one, other in zip(found.hidden_states, expected.hidden_states, strict=True))
    assert [now - then for now, then in zip(streamed.stream.reads, before, strict=True)] == [1] * whole.facts.layers
    assert streamed.fingerprint == whole.fingerprint
    assert streamed.facts == whole.facts
    assert streamed.model.generation_config.to_dict() == whole.model.generation_config.to_dict()
    assert all(weight.is_meta for layer in streamed.anatomy.layers for weight in layer.parameters())
    assert not any(buffer.is_meta for buffer in streamed.model.buffers())


@pytest.mark.parametrize("family", CONFIGS)
def test_states_and_logits_are_those_of_the_model_in_memory(family: str, tmp_path: Path) -> None:
    require_the_same(saved(tiny_model(family), tmp_path))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", ["llama", "qwen3_moe", "gpt2"])
def test_they_are_in_formats_of_16_bits(family: str, dtype: str, tmp_path: Path) -> None:
    require_the_same(saved(tiny_model(family), tmp_path), dtype)


def test_weights_stored_in_16_bits_are_brought_to_32(tmp_path: Path) -> None:
    require_the_same(saved(tiny_model("qwen3_moe").bfloat16(), tmp_path))


@pytest.mark.parametrize("family", peculiar.CONFIGS)
def test_they_are_in_peculiar_families(family: str, tmp_path: Path) -> None:
    require_the_same(saved(peculiar.peculiar(family).model, tmp_path))


@pytest.mark.parametrize("family", ["llama", "qwen3", "qwen3_5", "gpt2"])
@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_a_sweep_is_that_of_the_model_in_memory(family: str, positions: Any, tmp_path: Path) -> None:
    folder, pairs = saved(tiny_model(family), tmp_path), random_pairs()
    tables = []
    for stream in (False, True):
        backbone = loaded(folder, stream=stream)
        tables.append(swept(TransformersEngine(backbone), pairs, make_cells(backbone, positions), "choice"))
    assert torch.equal(*tables)


def test_a_reply_is_that_of_the_model_in_memory(tmp_path: Path) -> None:
    folder = saved(tiny_model("llama"), tmp_path)
    settings = {"max_new_tokens": 5, "do_sample": False}
    expected, found = (loaded(folder, stream=stream).model.generate(IDS, **settings) for stream in (False, True))
    assert torch.equal(found, expected)


@pytest.fixture
def streamed(tmp_path: Path) -> Backbone:
    return loaded(saved(tiny_model("llama"), tmp_path))


@contextmanager
def watched_layers(call: Callable[[int, int], None]) -> Iterator[None]:
    """Call after each layer of a stream."""
    token = layer_progress._watching.set(call)
    try:
        yield
    finally:
        layer_progress._watching.reset(token)


def present_layers(backbone: Backbone) -> list[int]:
    return [i for i, layer in enumerate(backbone.anatomy.layers) if not any(p.is_meta for p in layer.parameters())]


def test_one_layer_is_in_place_at_a_time(streamed: Backbone) -> None:
    seen = []
    for layer in streamed.model.model.layers:
        layer.mlp.register_forward_hook(lambda *given: seen.append(present_layers(streamed)))
    passed(streamed)
    assert seen == [[0], [1], [2], [3]]


def test_a_layer_is_read_once_for_several_passes_of_a_caller_that_has_taken_the_stream(streamed: Backbone) -> None:
    assert streamed.stream is not None
    expected = passed(streamed).hidden_states[1]
    block, arguments = streamed.anatomy.layers[0], {}
    handle = block.register_forward_pre_hook(lambda m, a, k: arguments.update(k), with_kwargs=True)
    states = passed(streamed).hidden_states[0]
    handle.remove()
    before = streamed.stream.reads[0]
    with streamed.stream.taken(), streamed.stream.present(0), torch.no_grad():
        found = [block(states, **arguments) for _ in range(3)]
        with streamed.stream.present(0):
            pass
        assert present_layers(streamed) == [0]
    assert streamed.stream.reads[0] == before + 1
    assert present_layers(streamed) == []
    assert all(torch.equal(one, expected) for one in found)
    whole = passed(streamed).logits
    with streamed.stream.taken():  # between the layers of its caller, a plain pass brings in its own
        assert torch.equal(passed(streamed).logits, whole)
    assert present_layers(streamed) == []


def test_a_plain_pass_works_while_a_stream_is_under_way(streamed: Backbone) -> None:
    engine, pairs = TransformersEngine(streamed), random_pairs()
    expected, table = passed(streamed).logits, swept(engine, pairs, make_cells(streamed), "text")
    plain: list[torch.Tensor] = []

    def beside(*given: Any) -> None:
        if threading.current_thread() is threading.main_thread() and not plain:
            with ThreadPoolExecutor(1) as other:  # the layer above is in place for the stream meanwhile
                plain.append(other.submit(passed, streamed).result().logits)

    def between(done: int, layers: int) -> None:
        if done == 2 and len(plain) == 1:
            plain.append(passed(streamed).logits)

    block: Any = streamed.anatomy.layers[1]
    handle = block.mlp.register_forward_hook(beside)
    with watched_layers(between):
        found = swept(engine, pairs, make_cells(streamed), "text")
    handle.remove()
    assert torch.equal(found, table)
    assert len(plain) == 2
    assert all(torch.equal(logits, expected) for logits in plain)
    assert present_layers(streamed) == []


def test_a_pass_that_fails_leaves_no_layer_in_place(streamed: Backbone) -> None:
    def fail(*given: Any) -> None:
        raise ValueError("stop here")

    handle = streamed.model.model.layers[2].mlp.register_forward_hook(fail)
    with pytest.raises(ValueError, match="stop here"):
        passed(streamed)
    handle.remove()
    assert present_layers(streamed) == []
    passed(streamed)


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 4)


def exchanged(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-4] + b"\1\2\3\4")


def touched(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-4, os.SEEK_END)
        opened.write(b"\1\2\3\4")
    os.utime(file, ns=(1, 1))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(cut_off, "changed"), (exchanged, "changed"), (touched, "changed"), (Path.unlink, "no such file")],
)
def test_a_file_that_is_another_one_since_is_refused(
    damage: Callable[[Path], None], problem: str, streamed: Backbone, tmp_path: Path
) -> None:
    def damaging(*given: Any) -> None:
        for file in tmp_path.glob("*.safetensors"):
            damage(file)

    handle = streamed.anatomy.layers[1].register_forward_hook(damaging)
    with pytest.raises(ModelError, match=rf"\.safetensors.*{problem}"):
        passed(streamed)
    handle.remove()
    assert present_layers(streamed) == []


def test_a_disk_that_fails_is_explained(streamed: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(ModelError, match=r"\.safetensors.*Input/output error.*disk"):
        passed(streamed)


@pytest.mark.parametrize("damage", [cut_off, lambda file: file.write_bytes(b"no tensors"), Path.unlink])
def test_a_broken_file_is_refused_when_the_model_is_loaded(damage: Callable[[Path], None], tmp_path: Path) -> None:
    folder = saved(tiny_model("llama"), tmp_path)
    file = sorted(folder.glob("*.safetensors"))[1]
    damage(file)
    with pytest.raises(ModelError, match=file.name):
        loaded(folder)


@pytest.mark.bundled
def test_the_bundled_model_is_the_same() -> None:
    whole, streamed = (load_backbone(BUNDLED, dtype="float32", device="cpu", stream=s) for s in (False, True))
    assert torch.equal(passed(whole, IDS[:1]).logits, passed(streamed, IDS[:1]).logits)
    assert streamed.fingerprint == whole.fingerprint


def test_buffers_are_used_again_when_no_tensor_stands_on_them_and_stay_within_their_limit() -> None:
    buffers = ReadBuffers()
    buffers.limit = 2 * (1000 + ALIGNMENT)
    first = buffers.take(1000)
    view = first.view(torch.float32)[3:]
    places = {first.data_ptr()}
    del first
    second = buffers.take(1000)
    assert second.data_ptr() not in places  # a view of the first one lasts
    beyond = buffers.take(1000)
    assert len({view.data_ptr() - 12, second.data_ptr(), beyond.data_ptr()}) == 3
    assert all(tensor.data_ptr() % ALIGNMENT == 0 for tensor in (second, beyond))
    del view
    assert buffers.take(1000).data_ptr() in places
    del second, beyond
    assert len(buffers.take(1500)) == 1500  # the free ones make room
    assert sum(map(len, buffers._arrays)) <= buffers.limit
