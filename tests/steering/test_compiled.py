"""Compiled code runs no hooks: whatever of a model is compiled, steering and reading must reach it, or say so."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sweeps import score_rows
from tiny import random_directions, random_pairs, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model, Request, TransformersEngine
from trimtab.errors import ModelError, SettingError, TrimtabWarning
from trimtab.models import Backbone, Text, wrap
from trimtab.steering import Intervention, steered

IDS = torch.tensor([random_pairs(1)[0].positive[:8]])
Call = Callable[[Tensor], Tensor]


def _compiled(target: Any) -> Any:
    return torch.compile(target, backend="eager")


def _whole(model: Any) -> Call:
    compiled = _compiled(model)
    return lambda ids: compiled(ids).logits  # type: ignore[no-any-return]


def _in_place(model: Any) -> Call:
    model.compile(backend="eager")
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _forward(model: Any) -> Call:
    model.forward = _compiled(model.forward)
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _decoder(model: Any) -> Call:
    model.model.compile(backend="eager")
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _decoder_forward(model: Any) -> Call:
    model.model.forward = _compiled(model.model.forward)
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _layers(model: Any) -> Call:
    for layer in model.model.layers:
        layer.compile(backend="eager")
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _layer_modules(model: Any) -> Call:
    for index, layer in enumerate(model.model.layers):
        model.model.layers[index] = _compiled(layer)
    return lambda ids: model(ids).logits  # type: ignore[no-any-return]


def _function(model: Any) -> Call:
    return _compiled(lambda ids: model(ids).logits)  # type: ignore[no-any-return]


def _generating_with_a_static_cache(model: Any) -> Call:
    from transformers import CompileConfig, GenerationConfig

    compiling = CompileConfig(backend="eager", fullgraph=False, mode=None)
    compiling._compile_all_devices = True
    config = GenerationConfig(
        cache_implementation="static", max_new_tokens=3, do_sample=False, output_logits=True, pad_token_id=0,
        return_dict_in_generate=True, compile_config=compiling, eos_token_id=None,
    )  # fmt: skip
    return lambda ids: torch.stack(model.generate(ids, generation_config=config).logits)


WAYS = [
    _whole, _in_place, _forward, _decoder, _decoder_forward, _layers, _layer_modules, _function,
    _generating_with_a_static_cache,
]  # fmt: skip


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.__name__.strip("_"))
def compiled(request: pytest.FixtureRequest) -> Iterator[tuple[Backbone, Backbone, Call]]:
    """A model, the same one compiled, and the call that runs compiled code."""
    plain = tiny_model("llama", num_hidden_layers=2)
    victim = copy.deepcopy(plain)
    backbones = [wrap(model, tiny_tokenizer(), name="tiny") for model in (plain, victim)]
    yield (*backbones, request.param(victim))
    torch._dynamo.reset()


def push(backbone: Backbone, **options: Any) -> Intervention:
    return Intervention({1: random_directions(backbone)[1]}, 1.0, **options)


@torch.no_grad()
def steered_call(backbone: Backbone, call: Call) -> Tensor:
    with steered(backbone, [push(backbone)]):
        return call(IDS)


# In this order: nothing is compiled yet in the first, and compiled code without hooks is there in the others.


@torch.no_grad()
def test_steering_does_not_stay_in_what_is_compiled_meanwhile(compiled: tuple[Backbone, Backbone, Call]) -> None:
    plain, victim, call = compiled
    with pytest.warns(TrimtabWarning, match="runs eagerly"):
        moved = steered_call(victim, call)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        assert torch.equal(steered_call(victim, call), moved)  # said once
    unsteered = call(IDS)
    assert float((moved - unsteered).abs().max()) > 0.01
    if unsteered.shape[:2] == IDS.shape:
        torch.testing.assert_close(unsteered, plain.model(IDS).logits, atol=1e-4, rtol=0)


@torch.no_grad()
def test_steering_reaches_what_was_compiled_before(compiled: tuple[Backbone, Backbone, Call]) -> None:
    plain, victim, call = compiled
    unsteered, moved = call(IDS), steered_call(victim, call)
    assert float((moved - unsteered).abs().max()) > 0.01
    if moved.shape[:2] == IDS.shape:
        expected = steered_call(plain, lambda ids: plain.model(ids).logits)  # type: ignore[no-any-return]
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(call(IDS), unsteered, atol=1e-5, rtol=0)


def test_an_engine_reads_sweeps_and_writes_what_was_compiled(compiled: tuple[Backbone, Backbone, Call]) -> None:
    plain, victim, call = compiled
    with torch.no_grad():
        call(IDS)
    pairs, cell = random_pairs(2), push(plain)
    prompt = pairs[0].positive[: pairs[0].prompt_length]
    text = Text(pairs[0].positive, pairs[0].prompt_length)

    def everything(backbone: Backbone) -> list[Tensor]:
        engine = TransformersEngine(backbone)
        captured = next(iter(engine.capture(pairs, "last")))
        swept = next(iter(engine.sweep(pairs, [cell], "text")))
        states = next(iter(engine.states([text], [0, 1])))[1]
        followed = next(iter(engine.score_texts([text], [cell])))
        written = [reply.tokens for _, reply in engine.generate([Request(prompt, cell, 4), Request(prompt, None, 4)])]
        plain_scores = score_rows(engine, pairs, [cell, None], "text")
        padded = TransformersEngine(backbone)
        padded.__dict__["shares_beginnings"] = False
        written += [reply.tokens for _, reply in padded.generate([Request(prompt, cell, 4)])]
        tokens = torch.tensor([token for text in written for token in text])
        return [captured.positive, swept.scores, states, followed.divergence, tokens, plain_scores]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for found, expected in zip(everything(victim), everything(plain), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_compiled_model_can_be_wrapped() -> None:
    model = tiny_model("llama", num_hidden_layers=2)
    compiled = _compiled(model)
    compiled(IDS)
    backbone = wrap(compiled, tiny_tokenizer(), name="tiny")
    assert backbone.model is model
    with warnings.catch_warnings(), steered(backbone, [push(backbone)]), torch.no_grad():
        warnings.simplefilter("ignore")
        moved = compiled(IDS).logits
    assert float((moved - compiled(IDS).logits).abs().max()) > 0.01
    torch._dynamo.reset()


def test_the_stance_of_torch_is_left_as_it_was() -> None:
    from torch._dynamo import eval_frame

    backbone = wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="tiny")
    before = eval_frame._stance
    one, two = steered(backbone, [push(backbone)]), steered(backbone, [push(backbone)])
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)  # as threads do, in any order
    assert eval_frame._stance.stance == "force_eager"
    two.__exit__(None, None, None)
    assert eval_frame._stance is before


def _scripted_decoder(model: Any) -> None:
    """What a CUDA graph, an export or a script put in place of a forward is: code without modules."""
    with torch.no_grad():
        frozen = model.model(IDS)
    model.model.forward = lambda *args, **kwargs: frozen


def _scripted_model(model: Any) -> None:
    with torch.no_grad():
        frozen = model(IDS)
    model.forward = lambda *args, **kwargs: frozen


def _other_layer(model: Any) -> None:
    model.model.layers[1] = copy.deepcopy(model.model.layers[1])


@pytest.mark.parametrize("bypass", [_scripted_decoder, _scripted_model, _other_layer])
def test_a_pass_that_goes_past_the_hooks_is_an_error(bypass: Callable[[Any], None]) -> None:
    backbone = wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="tiny")
    bypass(backbone.model)
    with torch.no_grad(), pytest.raises(ModelError, match="not steered"), steered(backbone, [push(backbone)]):
        backbone.model(IDS)


@pytest.mark.parametrize("bypass", [_scripted_decoder, _other_layer])
def test_an_engines_pass_that_goes_past_its_hooks_is_an_error(bypass: Callable[[Any], None]) -> None:
    backbone = wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="tiny")
    engine, pairs = TransformersEngine(backbone), random_pairs(2)
    prompt = pairs[0].positive[: pairs[0].prompt_length]
    every = (
        lambda: list(engine.capture(pairs, "last")),
        lambda: list(engine.sweep(pairs, [push(backbone)], "choice")),
        lambda: list(engine.generate([Request(prompt, push(backbone), 2)])),
    )
    for work in every:
        work()  # what may run together is tried now, and not again
    bypass(backbone.model)
    for work in every:
        with pytest.raises(ModelError, match="must run once"):
            work()


def test_a_copy_made_while_steered_is_refused_for_it_would_stay_steered() -> None:
    import io

    backbone = wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="tiny")
    model = Model(backbone)
    with warnings.catch_warnings(), model.steer(vector_for(backbone, layers=2), layer=1):
        warnings.simplefilter("ignore")
        with pytest.raises(SettingError, match="cannot be copied"):
            copy.deepcopy(backbone.model)
        with pytest.raises(SettingError, match="cannot be copied"):
            torch.save(backbone.model, io.BytesIO())


def test_a_replica_of_the_model_is_refused() -> None:
    backbone = wrap(tiny_model("llama", num_hidden_layers=2), tiny_tokenizer(), name="tiny")
    with steered(backbone, [push(backbone)]):
        replica = backbone.model.model._replicate_for_data_parallel()  # what nn.DataParallel makes, device by device
        with pytest.raises(SettingError, match="DataParallel"):
            replica(IDS)
