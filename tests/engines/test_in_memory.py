"""A model in memory stays its owner's: whatever is done with it, it is left as it was found."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import oracle
import trimtab as tt
from notebook.conftest import SETTING, TUNED
from study.conftest import WhimSettings
from tiny import random_pairs, tiny_model, tiny_tokenizer
from trimtab.data import Behavior
from trimtab.errors import ModelError, SettingError
from trimtab.judges import JUDGES
from trimtab.models import Backbone, DType
from trimtab.steering import Intervention

Parts = tuple[Behavior, Behavior, Behavior]
HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_load_state_dict_pre_hooks",
)  # fmt: skip


def found_as(model: Any) -> dict[str, Any]:
    """Everything of a model that its owner may have set."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "tensors": {n: (id(t), t.data_ptr(), t.dtype, t.device, t.requires_grad, t.grad) for n, t in tensors.items()},
        "values": {n: t.detach().clone() for n, t in tensors.items()},
        "training": {n: m.training for n, m in model.named_modules()},
        "hooks": {n: {kind: dict(getattr(m, kind)) for kind in HOOKS} for n, m in model.named_modules()},
        "attributes": {n: sorted(vars(m)) for n, m in model.named_modules()},
        "modules": {n: id(m) for n, m in model.named_modules()},
        "config": copy.deepcopy(model.config.to_dict()) | {"attention": model.config._attn_implementation},
        "generation": copy.deepcopy(model.generation_config.to_dict()),
        "random": torch.get_rng_state(),
        "grad": torch.is_grad_enabled(),
        "default": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
    }


def require_as_before(before: dict[str, Any], model: Any) -> None:
    now = found_as(model)
    for what, value in before.items():
        if what == "values":
            assert all(torch.equal(value[n], t) for n, t in now[what].items())
        elif what == "random":
            assert torch.equal(value, now[what])
        else:
            assert value == now[what], what


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A model that is being trained in parts, with hooks of its owner's, dropout, and settings of its own."""
    model = tiny_model("llama", attention_dropout=0.5, attn_implementation="sdpa")
    model.train()
    model.model.layers[1].eval()
    model.model.layers[2].mlp.requires_grad_(False)
    model.model.layers[0].register_forward_hook(lambda module, args, output: None)
    model.generation_config.update(do_sample=True, temperature=0.3, max_new_tokens=9)
    return model


@pytest.fixture(scope="module")
def model(theirs: Any) -> tt.Model:
    before = found_as(theirs)
    model = tt.load(theirs, tiny_tokenizer(), name="theirs")
    require_as_before(before, theirs)
    return model


@pytest.fixture(scope="module")
def parts() -> Parts:
    return tt.dataset("permissive", limit=16).split(seed=0)


@pytest.fixture(scope="module")
def vectors(model: tt.Model, parts: Parts) -> tt.SteeringVector:
    return tt.extract(model, parts[0])


@pytest.fixture
def untouched(theirs: Any) -> Iterator[None]:
    before = found_as(theirs)
    yield
    require_as_before(before, theirs)


def broken_off(model: tt.Model, vectors: tt.SteeringVector, parts: Parts) -> None:
    """Iterators that are left in the middle, and errors."""
    stream = model.stream("hello", max_new_tokens=5)
    next(stream)
    del stream
    with pytest.raises(SettingError), model.steer(vectors, layer=1, strength=1e-30, scale="raw"):
        model.chat("hello", max_new_tokens=2)


SMALL: dict[str, Any] = {"measure": ["concise"], "prompts": 4, "random": 2, "max_new_tokens": 3}
VERBS: dict[str, Callable[[tt.Model, tt.SteeringVector, Parts], object]] = {
    "extract": lambda model, vectors, parts: tt.extract(model, parts[0]),
    "sweep": lambda model, vectors, parts: tt.sweep(model, vectors, parts[1], layers=[1, 2], strengths=[-0.1, 0.1]),
    "chat": lambda model, vectors, parts: model.chat("hello", max_new_tokens=3),
    "generate": lambda model, vectors, parts: model.generate(["a", "bcd"], max_new_tokens=3, temperature=1.0),
    "broken off": broken_off,
    "tune": lambda model, vectors, parts: tt.tune(model, vectors, parts[1], test=parts[2], train=parts[0], **TUNED),
    "diagnose": lambda model, vectors, parts: tt.diagnose(model, parts[0]),
    "side_effects": lambda model, vectors, parts: tt.side_effects(
        model, vectors, parts[2], train=parts[0], **SETTING, **SMALL
    ),
    "robustness": lambda model, vectors, parts: tt.robustness(
        model, vectors, parts[2], train=parts[0], **SETTING, prompts=4, translations=False
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_leaves_the_model_as_it_was(
    verb: str, model: tt.Model, vectors: tt.SteeringVector, parts: Parts
) -> None:
    with JUDGES.temporarily("whim", WhimSettings):
        VERBS[verb](model, vectors, parts)


def test_steering_leaves_the_mode_and_the_gradients_to_the_models_owner(
    theirs: Any, model: tt.Model, vectors: tt.SteeringVector
) -> None:
    """A model may be trained while it is steered."""
    ids = torch.tensor([random_pairs(1)[0].positive[:8]])
    before = found_as(theirs)
    with model.steer(vectors, **SETTING):
        assert theirs.training
        theirs(ids, labels=ids).loss.backward()
        assert theirs.model.layers[0].mlp.up_proj.weight.grad.norm() > 0
        assert "generate" in vars(theirs)
    theirs.zero_grad(set_to_none=True)
    torch.set_rng_state(before["random"])  # dropout has drawn
    require_as_before(before, theirs)


def test_what_is_measured_is_what_the_model_does_in_evaluation_mode(
    model: tt.Model, vectors: tt.SteeringVector
) -> None:
    plain = tt.load(tiny_model("llama"), tiny_tokenizer())
    assert isinstance(plain.backbone, Backbone)
    pairs = random_pairs(3)
    cell = Intervention({1: vectors.direction[1]}, 0.5, "relative")
    for batch in model.score(pairs, [cell], "text"):
        for place, index in enumerate(batch.indices):
            for row, push in enumerate((None, cell)):
                expected = oracle.score(plain.backbone, pairs[index], push, "text")
                assert float(batch.scores[row, place]) == pytest.approx(expected, abs=1e-4)
    assert model.generate(["hello"], max_new_tokens=5) == plain.generate(["hello"], max_new_tokens=5)


def test_a_model_in_memory_is_the_model_that_its_folder_holds(tmp_path: Path) -> None:
    theirs = tiny_model("qwen3")
    theirs.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    one, other = tt.load(theirs.train(), tiny_tokenizer()), tt.load(str(tmp_path), dtype="float32", device="cpu")
    assert one.fingerprint == other.fingerprint
    assert one.facts == other.facts


def test_it_is_called_what_it_says_it_is(theirs: Any) -> None:
    assert tt.load(theirs, tiny_tokenizer(), name="mine").name == "mine"
    assert tt.Model.wrap(theirs, tiny_tokenizer()).name == "LlamaForCausalLM"


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_model_in_memory_needs_no_options(theirs: Any, dtype: DType) -> None:
    with pytest.raises(SettingError, match="taken as it is, so leave out dtype, device"):
        tt.load(theirs, tiny_tokenizer(), dtype=dtype, device="cpu")


def test_a_model_without_its_tokenizer_is_refused_with_how_to_get_one(theirs: Any) -> None:
    with pytest.raises(SettingError, match=r"tt\.load\(model, tokenizer\)"):
        tt.load(theirs)


def test_a_tokenizer_is_for_a_model_in_memory() -> None:
    with pytest.raises(SettingError, match="in memory"):
        tt.load("smollm2-135m", tiny_tokenizer())


def test_what_is_no_language_model_is_refused_and_left_as_it_was() -> None:
    class Adder(nn.Module):
        config = None

        def forward(self, ids: Tensor) -> Tensor:
            return ids + 1

    with pytest.raises(ModelError, match="Adder"):
        tt.load(Adder(), tiny_tokenizer())
