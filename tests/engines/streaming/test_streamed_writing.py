"""Writing with streamed weights: the same tokens, one stream for each token of all texts; refused where it is dear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams import is_left_alone, streamed
from tiny import HYBRID, random_directions, random_pairs, tiny
from trimtab.engines import Request, TransformersEngine
from trimtab.engines.transformers.transformers_type import TRANSFORMERS
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.steering import Intervention

TOKENS = 4


def requests(backbone: Backbone) -> list[Request]:
    """Prompts of several beginnings and lengths, steered and not, so that they are written in several groups."""
    directions = random_directions(backbone)
    cells = [
        None,
        Intervention({1: directions[1]}, 0.4, "relative"),
        Intervention({2: directions[2]}, 0.4, "relative", "generated"),
    ]
    prompts = [pair.positive[: pair.prompt_length] for pair in random_pairs(4)]
    return [Request(prompt, cell, TOKENS) for prompt in prompts for cell in cells]


def written(engine: TransformersEngine) -> tuple[list[list[int]], int]:
    """The tokens of every request, and the steps that were taken."""
    writer = engine.writer()
    asked = requests(engine.backbone)
    keys = [writer.add(request) for request in asked]
    found: dict[int, list[int]] = {}
    steps = 0
    while writer.rows:
        steps += 1
        for key, text in writer.step():
            assert text.error is None
            found[key] = list(text.tokens)
    return [found[key] for key in keys], steps


@pytest.mark.parametrize("name", ["llama", HYBRID])
@pytest.mark.parametrize("rows", [128, 5])
def test_texts_are_the_same_and_a_step_is_one_stream(name: str, rows: int) -> None:
    backbone, weights = streamed(name)

    def engine(of: Backbone) -> TransformersEngine:
        made = TransformersEngine(of)
        made.budget = replace(made.budget, tokens=60, rows=rows)
        return made

    expected, _ = written(engine(tiny(name)))
    written(engine(backbone))  # whatever has to be tried of the model has been
    before = weights.streams
    found, steps = written(engine(backbone))
    assert found == expected
    assert weights.streams - before == steps
    if rows == 128:
        assert steps == TOKENS
    assert is_left_alone(backbone)


def test_what_would_take_too_long_is_refused_with_numbers_and_a_way_out() -> None:
    backbone, weights = streamed("llama")
    weights.bytes_read, weights.seconds_reading = 1_000, 3600.0  # a very slow disk
    request = requests(backbone)[0]
    with pytest.raises(SettingError, match=r"hours at .*max_writing_hours") as refused:
        list(TransformersEngine(backbone).generate([request]))
    assert "vllm" in str(refused.value)
    whole = sum(weights.bytes_of(layer) for layer in range(weights.layers))
    hours = TOKENS * whole / 1_000
    assert list(TransformersEngine(backbone, max_writing_hours=hours * 1.01).generate([request]))
    with pytest.raises(SettingError):
        list(TransformersEngine(backbone, max_writing_hours=hours * 0.99).generate([request]))


@pytest.mark.parametrize(
    "wrong", [{"tensor_parallel_size": 2}, {"max_writing_hours": "long"}, {"max_writing_hours": -1}]
)
def test_other_options_of_the_engine_are_refused(wrong: dict[str, Any]) -> None:
    TRANSFORMERS.check_options({"max_writing_hours": 3})
    with pytest.raises(SettingError, match=next(iter(wrong))):
        TRANSFORMERS.check_options(wrong)
