"""Where a completion thinks, and where the reply behind it begins."""

from __future__ import annotations

import functools

import pytest
import torch

import oracle
from tiny import CHAT_TEMPLATE, tiny, tiny_model, tiny_tokenizer
from trimtab.data import Behavior, Example, Pair, SetContrast
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError
from trimtab.models import Backbone, ThinkingMarkers, response_start, thinking_span, wrap
from trimtab.vectors import extract

B, E = 90, 91
MARKERS = ThinkingMarkers(B, E)


@functools.cache
def thinker() -> Backbone:
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE)
    tokenizer.add_tokens(["<think>", "</think>"], special_tokens=True)
    return wrap(tiny_model("llama"), tokenizer, name="thinker")


@pytest.mark.parametrize(
    ("prompt", "completion", "thinking", "response"),
    [
        ((1, 2), (B, 5, 6, E, 7, 8), (3, 5), 6),
        ((1, 2, B), (5, 6, E, 7), (3, 5), 6),
        ((1, 2), (5, 6, E, 7), (2, 4), 5),
        ((1, 2), (9, B, 5, E, 7, B, 6, E, 8), (4, 5), 10),
        ((1, 2), (5, 6, 7), (5, 5), 2),
        ((1, B, 4, E, 2), (5, 6), (7, 7), 5),
        ((1, 2), (B, 5, 6), (3, 5), 5),
        ((1, 2), (B, E, 6), (3, 3), 4),
    ],
    ids=[
        "both markers", "opened by the prompt", "opened unseen", "twice", "no thinking", "closed in the prompt",
        "not closed", "empty",
    ],
)  # fmt: skip
def test_the_tokens_of_both_parts(
    prompt: tuple[int, ...], completion: tuple[int, ...], thinking: tuple[int, int], response: int
) -> None:
    tokens = (*prompt, *completion)
    assert thinking_span(tokens, len(prompt), MARKERS) == thinking
    assert response_start(tokens, len(prompt), MARKERS) == response


PAIRS = [
    Pair("one", "Say it", "<think>be glad</think>Hello!", "<think>be sad, very</think>Oh no"),
    Pair("two", "And now", "Hi there", "<think>no</think>Go"),
    Pair("three", "So", "<think>yes</think>Yes", "<think>or no</think>Well"),
]


@pytest.mark.parametrize("position", ["mean_thinking", "mean_response"])
def test_a_vector_is_read_of_one_part_only(position: str) -> None:
    backbone = thinker()
    vocabulary = backbone.tokenizer.get_vocab()
    behavior = Behavior("b", tuple(pair for pair in PAIRS if position == "mean_response" or pair.id != "two"))
    model, differences = Model(backbone), []
    for pair in model.encode(behavior.pairs, "text"):
        sides = []
        for text in (pair.positive, pair.negative):
            end = text.index(vocabulary["</think>"]) if vocabulary["</think>"] in text else pair.prompt_length - 1
            begin = text.index(vocabulary["<think>"]) if vocabulary["<think>"] in text else 0
            part = slice(end + 1, None) if position == "mean_response" else slice(begin + 1, end)
            sides.append(oracle.forward(backbone, text)[1][:, part].mean(1))
        differences.append(sides[0] - sides[1])
    found = extract(model, behavior, token_position=position, progress=False)  # type: ignore[arg-type]
    torch.testing.assert_close(found.direction, torch.stack(differences).mean(0), atol=1e-4, rtol=1e-4)
    assert found.provenance.token_position == position
    whole = extract(model, behavior, token_position="mean_completion", progress=False)
    assert not torch.allclose(found.direction, whole.direction, atol=0.01)


def test_a_contrast_of_two_lists_is_read_of_one_part_only() -> None:
    sides = [
        tuple(Example(f"{side}{n}", f"Say {n}", f"<think>{side} {n}</think>well {side}") for n in range(2))
        for side in ("good", "bad")
    ]
    contrast, model = SetContrast("lists", sides[0], sides[1]), Model(thinker())
    parts = [extract(model, contrast, token_position=p, progress=False) for p in ("mean_thinking", "mean_response")]
    assert not torch.allclose(parts[0].direction, parts[1].direction, atol=0.01)


def test_texts_without_that_part_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="pair two: a completion has no token of its thinking"):
        extract(Model(thinker()), Behavior("b", tuple(PAIRS)), token_position="mean_thinking", progress=False)


def test_a_model_without_such_tokens_is_refused() -> None:
    with pytest.raises(SettingError, match="no single tokens that open and close thinking"):
        extract(Model(tiny("llama")), Behavior("b", tuple(PAIRS)), token_position="mean_response", progress=False)
