"""Vectors of contrasts between prompts and between lists: against a plain loop, and on planted states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

import oracle
from tiny import tiny, tiny_tokenizer
from trimtab.data import Behavior, Message, PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError, VectorError
from trimtab.models import Backbone, EncodedExample, Text, render_prompt
from trimtab.models.prompting.encoded_examples import encode_examples
from trimtab.vectors import AGGREGATIONS, extract, read_contrast
from trimtab.vectors.contrast_states import MAX_BYTES

QUESTIONS = ["How was your day?", "What should I cook tonight?", "Tell me about the weather."]
PERSONAS = PromptContrast.from_system_prompts(
    [("You are full of joy.", "You are full of despair."), ("Answer with joy.", "Answer with despair, always.")],
    QUESTIONS,
    name="joyful",
)
SUFFIXES = PromptContrast.from_prompts(
    [("Act happy.", "Act very sad."), ("Be in a good mood", "Be in a bad one")], completion="I think that", name="moods"
)
REQUESTS = SetContrast.from_texts(
    ["Kill a frozen process", "Blow up a balloon", "Steal second base"], ["Bake bread", "Plant a tulip"], name="harm"
)
RAW = SetContrast.from_texts(
    ["It was a lovely day", "Bliss, all over"], ["It rained again", "Grey", "Nothing at all went well"], raw=True
)


COMPUTED = [name for name in AGGREGATIONS.names() if not AGGREGATIONS.get(name).trained]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def states_of(model: Model, tokens: Sequence[int]) -> Tensor:
    """[layers, tokens, width], of one text run alone."""
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    return oracle.forward(backbone, tokens)[1]


def rendered(model: Model, prompt: Any, completion: str = "") -> list[int]:
    tokenizer = model.backbone.tokenizer
    gap = " " if completion and not tokenizer.chat_template else ""
    text = render_prompt(tokenizer, prompt) + gap + completion
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def assert_same(found: Tensor, expected: Tensor) -> None:
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def test_prompts_are_read_at_their_last_token(model: Model) -> None:
    differences = [
        states_of(model, rendered(model, pair.positive.prompt))[:, -1]
        - states_of(model, rendered(model, pair.negative.prompt))[:, -1]
        for pair in PERSONAS.pairs
    ]
    vector = extract(model, PERSONAS)
    assert_same(vector.direction, torch.stack(differences).mean(0))
    made = vector.provenance
    assert (made.form, made.token_position, made.pairs, made.pairs_hash) == ("prompts", "last", 6, PERSONAS.hash)
    assert len(made.first_token_ratio) == vector.n_layers


def test_over_a_shared_completion_it_is_the_mean_over_its_tokens(model: Model) -> None:
    differences = []
    for pair in SUFFIXES.pairs:
        means = []
        for side in (pair.positive, pair.negative):
            start = len(rendered(model, side.prompt))
            means.append(states_of(model, rendered(model, side.prompt, side.completion))[:, start:].mean(1))
        differences.append(means[0] - means[1])
    assert_same(extract(model, SUFFIXES).direction, torch.stack(differences).mean(0))


def test_lists_give_the_difference_of_their_means(model: Model) -> None:
    means = [
        torch.stack([states_of(model, rendered(model, one.prompt))[:, -1] for one in side]).mean(0)
        for side in (REQUESTS.positive, REQUESTS.negative)
    ]
    vector = extract(model, REQUESTS)
    assert_same(vector.direction, means[0] - means[1])
    assert (vector.provenance.form, vector.provenance.pairs) == ("sets", 5)


@pytest.mark.parametrize("position", ["mean_completion", "each_token"])
def test_raw_text_is_read_without_a_template_and_without_its_first_token(model: Model, position: Any) -> None:
    means = []
    for side in (RAW.positive, RAW.negative):
        rows = []
        for one in side:
            tokens = list(model.backbone.tokenizer(one.completion, add_special_tokens=False)["input_ids"])
            start = [t for t in model.backbone.tokenizer("")["input_ids"] if t == model.backbone.tokenizer.bos_token_id]
            read = states_of(model, start + tokens)[:, 1:]
            rows += [read.mean(1)] if position == "mean_completion" else list(read.unbind(1))
        means.append(torch.stack(rows).mean(0))
    assert_same(extract(model, RAW, token_position=position).direction, means[0] - means[1])


def test_the_mean_over_prompts_leaves_out_the_first_token(model: Model) -> None:
    means = [
        torch.stack([states_of(model, rendered(model, one.prompt))[:, 1:].mean(1) for one in side]).mean(0)
        for side in (REQUESTS.positive, REQUESTS.negative)
    ]
    assert_same(extract(model, REQUESTS, token_position="mean_prompt").direction, means[0] - means[1])


@pytest.mark.parametrize(
    ("contrast", "position", "named"),
    [
        (PERSONAS, "answer", "last, mean_prompt"),
        (PERSONAS, "mean_completion", "last, mean_prompt"),
        (SUFFIXES, "each_token", "last, mean_completion, mean_thinking, mean_response, mean_prompt"),
        (RAW, "mean_prompt", "last, mean_completion, each_token"),
    ],
)
def test_a_token_position_that_is_not_there_is_refused_with_those_that_are(
    model: Model, contrast: Any, position: Any, named: str
) -> None:
    with pytest.raises(SettingError, match=f"choose one of {named}$"):
        extract(model, contrast, token_position=position)


def test_a_form_is_of_pairs_only(model: Model) -> None:
    with pytest.raises(SettingError, match="form 'choice' is for pairs of completions"):
        extract(model, PERSONAS, form="choice")
    behavior = Behavior.from_pairs([("Hi", "yes", "no")])
    with pytest.raises(SettingError, match="each_token"):
        extract(model, behavior, token_position="each_token")


def test_a_text_of_one_token_is_refused_by_name(model: Model) -> None:
    contrast = SetContrast.from_texts(["a"], ["A whole sentence"], raw=True)
    if model.backbone.tokenizer("")["input_ids"]:
        pytest.skip("the tokenizer begins with a token of its own")
    with pytest.raises(DataError, match=r"example \+1: the text is a single token"):
        extract(model, contrast)


def test_a_first_token_that_a_text_spells_does_not_stand_there_twice() -> None:
    tokenizer = tiny_tokenizer()
    begin = [t for t in tokenizer("")["input_ids"] if t == tokenizer.bos_token_id]
    spelled = SetContrast.from_texts([f"{tokenizer.bos_token or ''}Hello there"], ["Hello there, you"], raw=True)
    tokens = encode_examples(tokenizer, spelled.positive)[0].tokens
    assert list(tokens[: len(begin)]) == begin
    assert tokens.count(tokenizer.bos_token_id) <= 1


class Planted:
    """A model whose states are given: a row for each example, at each layer."""

    name, fingerprint, template_hash = "planted", "f", ""
    LAYERS, WIDTH = 2, 12

    def __init__(self, rows: Tensor):
        self.rows, self.facts = rows, SimpleNamespace(layers=self.LAYERS, width=self.WIDTH)

    def encode_examples(self, examples: Sequence[Any]) -> list[EncodedExample]:
        return [EncodedExample(one.id, (1, 2), 2) for one in examples]

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        for index in reversed(range(len(texts))):  # batches come in any order
            yield index, self.rows[index].expand(1, self.LAYERS, -1)

    def first_token_norm(self, pairs: Sequence[Any]) -> Tensor:
        return torch.ones(self.LAYERS)


def planted_sets(n: int, m: int, *, apart: float = 1.0, noise: float = 0.1) -> tuple[Planted, SetContrast]:
    random = torch.Generator().manual_seed(0)
    spread = torch.ones(Planted.WIDTH)
    spread[1] = 10.0  # a direction in which both lists vary, whatever the behavior
    rows = noise * spread * torch.randn(n + m, Planted.WIDTH, generator=random) + 3 * torch.eye(Planted.WIDTH)[2]
    rows[:n, 0] += apart
    texts = [f"text {i}" for i in range(n + m)]
    return Planted(rows), SetContrast.from_texts(texts[:n], texts[n:])


@pytest.mark.parametrize("method", ["mean", "probe", "lda"])
def test_lists_of_unequal_length_give_the_planted_direction(method: str) -> None:
    model, contrast = planted_sets(60, 25)
    vector = extract(model, contrast, method=method)  # type: ignore[arg-type]
    cosine = torch.cosine_similarity(vector.direction, torch.eye(Planted.WIDTH)[0].expand(2, -1), dim=1)
    assert float(cosine.min()) > (0.85 if method == "mean" else 0.97)  # the others see through what varies anyway
    assert vector.norm.tolist() == pytest.approx([1.0, 1.0], abs=0.25)


def test_lists_exchanged_turn_the_vector_round() -> None:
    model, contrast = planted_sets(20, 20)
    turned = SetContrast(contrast.name, contrast.negative, contrast.positive)
    rows = Planted(torch.cat([model.rows[20:], model.rows[:20]]))
    for method in ("mean", "probe", "lda"):
        one, other = extract(model, contrast, method=method), extract(rows, turned, method=method)  # type: ignore[arg-type]
        assert torch.allclose(one.direction, -other.direction, atol=1e-5)


def test_the_whitened_difference_is_fishers_discriminant() -> None:
    model, contrast = planted_sets(400, 300, noise=0.5)
    found = extract(model, contrast, method="lda").direction[0]  # type: ignore[arg-type]
    labels = [1] * 400 + [0] * 300
    known = LinearDiscriminantAnalysis(solver="lsqr").fit(model.rows.numpy(), labels).coef_[0]
    assert float(torch.cosine_similarity(found, torch.tensor(known, dtype=torch.float32), dim=0)) > 0.995


@pytest.mark.parametrize("method", [name for name in COMPUTED if name not in ("mean", "probe", "lda", "random")])
def test_a_method_that_needs_pairs_refuses_lists(method: str) -> None:
    model, contrast = planted_sets(5, 4)
    with pytest.raises(SettingError, match=f"method {method}: it is made of the differences of pairs"):
        extract(model, contrast, method=method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", COMPUTED)
def test_pairs_of_prompts_give_what_pairs_of_completions_give(model: Model, method: str) -> None:
    """Every aggregation takes them, and turns round with them."""
    turned = PromptContrast.from_prompts([(pair.negative.prompt, pair.positive.prompt) for pair in PERSONAS.pairs])
    one, other = extract(model, PERSONAS, method=method), extract(model, turned, method=method)
    assert (one.provenance.pair_id is not None) == (method == "single")
    if method not in ("random", "single"):
        assert torch.allclose(one.direction, -other.direction, atol=2e-4 * float(one.direction.abs().max()))


def test_sides_with_the_same_states_have_no_direction() -> None:
    rows = torch.ones(5, Planted.WIDTH)
    with pytest.raises(VectorError):
        extract(Planted(rows), SetContrast.from_texts(["a b", "b c"], ["c d", "d e", "e f"]))  # type: ignore[arg-type]


def test_a_resampled_side_holds_each_example_as_often_as_it_is_named(model: Model) -> None:
    states = read_contrast(model, RAW, token_position="each_token")
    counts = torch.bincount(states.negative.example)
    again = states.negative.rows_of([2, 0, 2])
    assert len(again.states) == int(counts[2] * 2 + counts[0])
    assert torch.equal(again.states[: counts[2]], states.negative.states[states.negative.example == 2])


def test_more_states_than_fit_are_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.vectors.contrast_states.MAX_BYTES", 1000)
    with pytest.raises(DataError, match="use fewer examples"):
        read_contrast(model, RAW)
    assert MAX_BYTES > 1e9


def test_messages_are_all_read(model: Model) -> None:
    talk = (
        Message(role="user", content="Hi"),
        Message(role="assistant", content="Yes?"),
        Message(role="user", content="Why?"),
    )
    other = (*talk[:2], Message(role="user", content="How?"))
    contrast = SetContrast.from_texts([talk], [other])
    expected = states_of(model, rendered(model, talk))[:, -1] - states_of(model, rendered(model, other))[:, -1]
    assert_same(extract(model, contrast).direction, expected)
