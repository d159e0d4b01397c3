"""Models whose own arithmetic gets in the way of company, caches or staircases: each job is the slow loop."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import oracle
from peculiar import CONFIGS, ROPE_LIMIT, new, peculiar
from sweeps import TOLERANCE, mode_of, score_rows, swept, with_budget
from tiny import random_directions, random_pairs
from trimtab.engines import Request, Scoring, TransformersEngine
from trimtab.engines.transformers.probing import _trial_passes
from trimtab.engines.transformers.probing.exactness import Exactness, Mode, exactness_of
from trimtab.errors import ModelError, TrimtabWarning
from trimtab.models import Backbone, EncodedPair, Text
from trimtab.steering import Intervention, Positions

pytestmark = pytest.mark.filterwarnings("ignore::trimtab.errors.TrimtabWarning")

FAMILIES = tuple(CONFIGS)
PAIRS = random_pairs(5)
"""Of 10 to 28 tokens: shorter and longer than the windows and limits of these models."""
MODES: dict[str, Mode] = {
    "phi3_longrope": "packed",
    "llama_dynamic": "packed",
    "gemma4": "packed",
    "bart": "alone",
    "trocr": "alone",
    "llama4": "alone",
    "doge": "alone",
}
"""How texts of one length run; `padded` where nothing is said."""


def make_cells(backbone: Backbone, positions: Positions) -> list[Intervention]:
    """The first, middle and last layer and two at once, not in their order."""
    directions, last = random_directions(backbone), backbone.facts.layers - 1
    several = {layer: directions[layer] for layer in (1, last)}
    return [
        Intervention({last: directions[last]}, 0.4, "relative", positions),
        Intervention({0: directions[0]}, -0.7, "raw", positions),
        Intervention({last // 2: directions[last // 2]}, -0.4, "relative", positions),
        Intervention(several, 0.7, "raw", positions),
    ]


def by_hand(
    backbone: Backbone, pairs: Sequence[EncodedPair], cells: Sequence[Intervention], scoring: Scoring
) -> Tensor:
    table = [[oracle.score(backbone, pair, cell, scoring) for pair in pairs] for cell in (None, *cells)]
    return torch.tensor(table)


@pytest.mark.parametrize(("positions", "scoring"), [("all", "text"), ("after_prompt", "choice"), ("generated", "text")])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_sweep_is_the_slow_loop(family: str, positions: Positions, scoring: Scoring) -> None:
    backbone = peculiar(family)
    cells = make_cells(backbone, positions)
    table = swept(TransformersEngine(backbone), PAIRS, cells, scoring)
    torch.testing.assert_close(table, by_hand(backbone, PAIRS, cells, scoring), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("fastest", ["padded", "alone"])
@pytest.mark.parametrize("family", FAMILIES)
def test_slower_modes_are_the_slow_loop_too(family: str, fastest: Mode) -> None:
    backbone = peculiar(family)
    cells = make_cells(backbone, "all")[1:3]
    table = swept(TransformersEngine(backbone, fastest=fastest), PAIRS[:3], cells, "text")
    torch.testing.assert_close(table, by_hand(backbone, PAIRS[:3], cells, "text"), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_captured_states_are_those_of_each_text_alone(family: str) -> None:
    backbone = peculiar(family)
    engine = TransformersEngine(backbone)
    for captured in engine.capture(PAIRS, "last"):
        for row, index in enumerate(captured.indices):
            pair = PAIRS[index]
            for states, text in ((captured.positive, pair.positive), (captured.negative, pair.negative)):
                expected = oracle.forward(backbone, text)[1][:, -1]
                torch.testing.assert_close(states[row], expected, atol=1e-3, rtol=1e-4)
    texts = [Text(pair.positive, pair.prompt_length) for pair in PAIRS]
    for index, states in engine.states(texts, [0, 2]):
        expected = oracle.forward(backbone, texts[index].tokens)[1][[0, 2], texts[index].prompt_length :]
        torch.testing.assert_close(states, expected.transpose(0, 1), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_followed_texts_are_as_likely_as_alone(family: str) -> None:
    backbone = peculiar(family)
    texts, cells = [Text(pair.positive, pair.prompt_length) for pair in PAIRS], make_cells(backbone, "all")[:2]
    for followed in TransformersEngine(backbone).score_texts(texts, cells):
        for column, index in enumerate(followed.indices):
            text = texts[index]
            for row, cell in enumerate((None, *cells)):
                logits = oracle.forward(backbone, text.tokens[:-1], cell, text.prompt_length)[0]
                tail = torch.tensor(text.tokens[text.prompt_length :])
                expected = logits[text.prompt_length - 1 :].log_softmax(-1).gather(1, tail[:, None]).mean()
                assert followed.log_prob[row, column] == pytest.approx(float(expected), abs=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_by_hooks_are_the_slow_loop(family: str) -> None:
    backbone = peculiar(family)
    cells = [None, *make_cells(backbone, "all")]
    scores = score_rows(TransformersEngine(backbone), PAIRS, cells, "text")
    expected = [oracle.score(backbone, pair, cell, "text") for pair, cell in zip(PAIRS, cells, strict=True)]
    torch.testing.assert_close(scores, torch.tensor(expected), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_replies_are_those_of_the_whole_text_run_again_for_every_token(family: str) -> None:
    backbone = peculiar(family)
    cells = [None, *make_cells(backbone, "all")[1:3], make_cells(backbone, "generated")[1]]
    requests = [Request(pair.positive[: pair.prompt_length], cell, 5) for pair in PAIRS[:3] for cell in cells]
    replies = dict(TransformersEngine(backbone).generate(requests))
    for index, request in enumerate(requests):
        expected = oracle.greedy(backbone, request.prompt, request.intervention, 5, stop=2)
        assert list(replies[index].tokens) == [token for token in expected if token != 2]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_runs_in_the_fastest_mode_that_is_exact(family: str) -> None:
    assert mode_of(TransformersEngine(peculiar(family)), PAIRS) == MODES.get(family, "padded")


def test_a_window_counted_in_columns_is_seen_where_rows_are_wider_than_it() -> None:
    """All texts are shorter than the window: only the packed row is not."""
    backbone, pairs = new("gpt_neo", window_size=100), random_pairs(12)
    assert max(len(pair.positive) for pair in pairs) < 40
    cells = make_cells(backbone, "all")[1:3]
    engine = with_budget(backbone, row_tokens=512)
    assert mode_of(engine, pairs) == "padded"
    assert mode_of(with_budget(backbone, row_tokens=1), pairs) == "packed"
    table = swept(engine, pairs, cells, "text")
    torch.testing.assert_close(table, by_hand(backbone, pairs, cells, "text"), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", ["phi3_longrope", "llama_dynamic"])
def test_a_text_past_the_limit_of_its_rope_leaves_no_trace_in_others(family: str) -> None:
    backbone = peculiar(family)
    short = [pair for pair in random_pairs(5) if len(pair.positive) <= ROPE_LIMIT]
    cells = make_cells(backbone, "all")
    engine = TransformersEngine(backbone)
    before = swept(engine, short, cells, "text")
    assert any(len(pair.positive) > ROPE_LIMIT for pair in PAIRS)
    swept(engine, PAIRS, cells, "text")
    backbone.model(torch.arange(3, 3 + 3 * ROPE_LIMIT)[None])  # someone else's call
    assert torch.equal(swept(engine, short, cells, "text"), before)


def test_a_limit_that_no_configuration_tells_is_found_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.engines.transformers.probing.exactness.batch_length_limit", lambda config: sys.maxsize)
    exactness = Exactness(new("phi3_longrope"))
    assert exactness.longest_in_batch(20, columns=20) == 20
    assert exactness.longest_in_batch(200, columns=200) == ROPE_LIMIT
    assert exactness.mode(200, ROPE_LIMIT) == "packed"


def test_a_model_is_tried_once_whatever_the_number_of_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = peculiar("gemma4")
    cells = make_cells(backbone, "all")
    first = swept(TransformersEngine(backbone), PAIRS, cells, "text")
    for probe in ("packed_is_exact", "padded_is_exact", "batching_is_exact", "plain_call_is_alone"):
        monkeypatch.setattr(_trial_passes, probe, lambda *_: pytest.fail("tried again"))
    assert torch.equal(swept(TransformersEngine(backbone), PAIRS, cells, "text"), first)


@pytest.mark.parametrize(("family", "words"), [("bart", "runs alone"), ("openai", "again for every token")])
@pytest.mark.filterwarnings("default::trimtab.errors.TrimtabWarning")
def test_what_is_slow_is_said_once(family: str, words: str) -> None:
    backbone = new(family)
    requests = [Request(pair.positive[: pair.prompt_length], None, 3) for pair in PAIRS[:2]]
    with pytest.warns(TrimtabWarning, match=words):
        list(TransformersEngine(backbone).generate(requests))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(TransformersEngine(backbone).generate(requests))


@pytest.mark.parametrize("family", ["bart", "gemma4", "mpt"])
def test_a_model_without_a_staircase_takes_a_pass_for_each_cell(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = new(family)
    monkeypatch.setattr("trimtab.engines.transformers.probing.exactness.staircase_is_exact", lambda *_: False)
    cells = make_cells(backbone, "all")
    with pytest.warns(TrimtabWarning, match="its own pass"):
        table = swept(TransformersEngine(backbone), PAIRS, cells, "text")
    torch.testing.assert_close(table, by_hand(backbone, PAIRS, cells, "text"), atol=TOLERANCE, rtol=0)


def test_a_model_that_is_not_itself_even_alone_is_refused_by_name() -> None:
    backbone = new("bart")

    class Shifted(nn.Module):
        """A decoder that is not what the model calls."""

        def forward(self, input_ids: Tensor, **others: object) -> object:
            return backbone.anatomy.decoder(input_ids=input_ids + 1, **others)

    other = replace(backbone, anatomy=replace(backbone.anatomy, decoder=Shifted()))
    for fastest in ("packed", "alone"):
        with pytest.raises(ModelError, match="BartForCausalLM"):
            list(TransformersEngine(other, fastest=fastest).capture(PAIRS, "last"))  # type: ignore[arg-type]


def test_the_bundled_model_is_packed_and_says_nothing(smol: Backbone) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert exactness_of(smol).mode(256, 60, cells=True) == "packed"
        assert exactness_of(smol).slots(128)
