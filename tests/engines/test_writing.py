"""Texts written side by side: each is what it would be alone, whatever its neighbours do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

import oracle
from sweeps import make_cells, mode_of, padded, with_budget
from tiny import HYBRID, random_directions, random_pairs, vector_for
from trimtab.engines import Model, Reply, Request, Sampling, TransformersEngine
from trimtab.engines.requests import Writing
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.steering import Intervention, Positions

NEW_TOKENS = 8
END = 2
PROMPTS = [pair.positive[: pair.prompt_length] for pair in random_pairs(5)]
"""They share a head of five tokens, and differ in length."""
POSITIONS = ("all", "after_prompt", "prompt", "generated")


def replies(engine: TransformersEngine, requests: Sequence[Request]) -> list[Reply]:
    found: dict[int, Reply] = {}
    for index, reply in engine.generate(requests):
        assert index not in found, "a text was finished twice"
        found[index] = reply
    return [found[i] for i in range(len(requests))]


def written(engine: TransformersEngine, requests: Sequence[Request]) -> list[list[int]]:
    return [list(reply.tokens) for reply in replies(engine, requests)]


def by_hand(backbone: Backbone, request: Request) -> list[int]:
    tokens = oracle.greedy(backbone, request.prompt, request.intervention, request.max_new_tokens, stop=END)
    return tokens[:-1] if tokens[-1] == END else tokens


def grid(cells: Sequence[Intervention | None], prompts: Sequence[tuple[int, ...]] = PROMPTS) -> list[Request]:
    return [Request(prompt, cell, NEW_TOKENS) for prompt in prompts for cell in cells]


def mixed(backbone: Backbone) -> list[Request]:
    """Any layers, strengths, vectors, scales and positions; other lengths; unsteered ones between them."""
    cells: list[Intervention | None] = [None]
    for positions in POSITIONS:
        cells += make_cells(backbone, positions)[:: 3 if positions == "all" else 5]
    return [
        Request(PROMPTS[i % len(PROMPTS)], cell, 1 + (5 * i) % NEW_TOKENS)
        for i, cell in enumerate([*cells, *cells[::2], None])
    ]


def test_a_batch_of_everything_equals_the_slow_loop_text_by_text(backbone: Backbone) -> None:
    requests = mixed(backbone)
    assert written(TransformersEngine(backbone), requests) == [by_hand(backbone, r) for r in requests]


@pytest.mark.parametrize("positions", POSITIONS)
def test_all_cells_of_a_sweep_equal_the_slow_loop(backbone: Backbone, positions: Positions) -> None:
    requests = grid([None, *make_cells(backbone, positions)[::2]], PROMPTS[:2])
    assert written(TransformersEngine(backbone), requests) == [by_hand(backbone, r) for r in requests]


def test_models_that_cannot_share_write_padded_rows(backbone: Backbone) -> None:
    requests = mixed(backbone)[::3]
    assert written(padded(backbone), requests) == [by_hand(backbone, r) for r in requests]


def test_the_hybrid_is_one_of_them(backbone: Backbone) -> None:
    expected = "padded" if backbone.name == f"tiny-{HYBRID}" else "packed"
    assert mode_of(TransformersEngine(backbone), random_pairs()) == expected


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
@pytest.mark.parametrize("tokens", [1, 100, 5000])
def test_rows_that_end_make_room_and_nothing_else_changes(llama: Backbone, rows: int, tokens: int) -> None:
    requests = mixed(llama)
    expected = written(TransformersEngine(llama), requests)
    assert written(with_budget(llama, rows=rows, tokens=tokens), requests) == expected


def test_memory_bounds_the_rows(llama: Backbone) -> None:
    from trimtab.engines.transformers.writing.slot_writing import rows_that_fit

    each = 2 * 4 * 2 * 12 * 32 * 4  # keys and values, layers, heads, head size, tokens, bytes
    for cache_bytes, wanted, rows in [(10 * each + 1, 100, 10), (1, 100, 1), (1 << 30, 3, 3), (1 << 30, 100, 64)]:
        budget = replace(with_budget(llama, rows=64).budget, cache_bytes=cache_bytes)
        assert rows_that_fit(llama.facts, llama.dtype, budget, 32, wanted) == rows


def test_order_and_company_do_not_matter(llama: Backbone) -> None:
    requests = mixed(llama)
    forward, backward = (written(TransformersEngine(llama), r) for r in (requests, requests[::-1]))
    assert forward == backward[::-1]


@pytest.mark.parametrize("make", [TransformersEngine, padded], ids=["slots", "padded"])
def test_a_seed_gives_a_text_of_its_own_whatever_the_company(llama: Backbone, make: Any) -> None:
    cell = make_cells(llama)[1]
    alone = [written(make(llama), [drawn(seed, cell)])[0] for seed in range(4)]
    together = written(make(llama), [*grid([None, cell]), *(drawn(seed, cell) for seed in range(4))])
    assert together[-4:] == alone
    assert len({tuple(tokens) for tokens in alone}) > 1


def drawn(seed: int, cell: Intervention | None, **options: float) -> Request:
    return Request(PROMPTS[0], cell, NEW_TOKENS, Sampling(seed, **options))


def test_a_cold_draw_is_greedy_and_a_narrow_one_too(llama: Backbone) -> None:
    greedy = written(TransformersEngine(llama), [Request(PROMPTS[0], None, NEW_TOKENS)])
    for options in ({"temperature": 1e-4}, {"temperature": 1e-7}, {"temperature": 5e-324}, {"top_p": 1e-9}):
        assert written(TransformersEngine(llama), [drawn(3, None, **options)]) == greedy


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_rounding_that_swaps_two_nearly_equal_tokens_changes_no_draw(top_p: float) -> None:
    logits = torch.zeros(50)
    logits[[7, 30]] = torch.tensor([4.0, 4.0 + 1e-6])
    swapped = logits.clone()
    swapped[[7, 30]] = torch.tensor([4.0 + 1e-6, 4.0])
    samplings = [Sampling(seed, top_p=top_p) for seed in range(300)]
    first, second = (
        [Writing(Request((1,), sampling=one), (), str).draw(some, one) for one in samplings]
        for some in (logits, swapped)
    )
    assert first == second
    assert {7, 30} < set(first)


def test_what_has_no_probability_is_never_drawn() -> None:
    logits = torch.full((10,), -float("inf"))
    logits[[2, 5]] = torch.tensor([3.0, 1.0])
    found = [Writing(Request((1,), sampling=one), (), str).draw(logits, one) for one in map(Sampling, range(100))]
    assert set(found) == {2, 5}
    narrow = [Sampling(seed, top_p=0.5) for seed in range(50)]
    assert {Writing(Request((1,), sampling=one), (), str).draw(logits, one) for one in narrow} == {2}


def test_draws_follow_the_models_probabilities(llama: Backbone) -> None:
    """The first tokens of 600 draws against the distribution itself."""
    logits = oracle.forward(llama, PROMPTS[0])[0][-1]
    expected = torch.softmax(logits, -1)
    requests = [Request(PROMPTS[0], None, 1, Sampling(seed)) for seed in range(600)]
    first = [reply.tokens[0] if reply.tokens else END for reply in replies(TransformersEngine(llama), requests)]
    share = torch.bincount(torch.tensor(first), minlength=len(expected)) / 600
    top = expected.topk(5).indices
    assert torch.allclose(share[top], expected[top], atol=0.07)


def test_a_text_ends_when_its_reader_has_read_enough(llama: Backbone) -> None:
    asked: list[str] = []

    def enough(text: str) -> bool:
        asked.append(text)
        return len(text) >= 3

    requests = [Request(PROMPTS[0], None, NEW_TOKENS, stop=enough), Request(PROMPTS[0], None, NEW_TOKENS)]
    stopped, whole = replies(TransformersEngine(llama), requests)
    assert (stopped.finish, whole.finish) == ("stop", "length")
    assert whole.tokens[: len(stopped.tokens)] == stopped.tokens
    assert 0 < len(stopped.tokens) < NEW_TOKENS
    assert len(asked) == len(stopped.tokens)


def test_why_a_text_ended_is_told(llama: Backbone) -> None:
    requests = [Request(p, c, 40) for p in PROMPTS for c in (None, *make_cells(llama))]
    for request, reply in zip(requests, replies(TransformersEngine(llama), requests), strict=True):
        assert END not in reply.tokens
        assert (reply.finish == "length") == (len(reply.tokens) == request.max_new_tokens)
    assert {reply.finish for reply in replies(TransformersEngine(llama), requests)} == {"length", "end"}


def test_tokens_come_one_by_one_and_work_stops_with_the_reader(llama: Backbone) -> None:
    before = hooks_of(llama)
    stream = TransformersEngine(llama).write([Request(PROMPTS[0], make_cells(llama)[0], NEW_TOKENS)])
    lengths = [len(next(stream)[1].tokens) for _ in range(3)]
    stream.close()  # type: ignore[attr-defined]
    assert lengths == [1, 2, 3]
    assert hooks_of(llama) == before


def hooks_of(backbone: Backbone) -> list[int]:
    return [h for layer in backbone.anatomy.layers for h in (*layer._forward_hooks, *layer._forward_pre_hooks)]


def test_steering_leaves_no_trace(backbone: Backbone) -> None:
    engine, plain = TransformersEngine(backbone), grid([None])
    before = written(engine, plain)
    written(engine, mixed(backbone))
    assert written(engine, plain) == before


def test_a_layer_that_is_not_there_is_refused_before_anything_runs(llama: Backbone) -> None:
    cell = Intervention({9: random_directions(llama)[0]}, 1.0)
    with pytest.raises(SettingError, match="layer 9 is out of range"):
        list(TransformersEngine(llama).generate([Request(PROMPTS[0], cell)]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Request((), None), "empty prompt"),
        (lambda: Request((1,), None, 0), "at least one"),
        (lambda: Sampling(0, temperature=0), "not above 0"),
        (lambda: Sampling(0, top_p=1.5), "not between 0 and 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(make: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


def test_a_model_being_steered_writes_as_its_contexts_say_and_each_prompt_its_own_push_on_top(llama: Backbone) -> None:
    model, vector = Model(llama), vector_for(llama)
    texts = ["Hello there", "What is it?"]
    own = Intervention({3: random_directions(llama, seed=9)[3]}, 0.8)
    with model.steer(vector, layer=1, strength=0.5, scale="relative"):
        inside = model.generate(texts, interventions=[own, None], max_new_tokens=NEW_TOKENS)
        streamed = "".join(model.stream(texts[1], max_new_tokens=NEW_TOKENS))
    context = Intervention({1: vector.direction[1]}, 0.5, "relative")
    expected = model.generate(texts, interventions=[context.and_also(own), context], max_new_tokens=NEW_TOKENS)
    assert inside == expected
    assert streamed.strip() == expected[1]
    assert model.generate(texts, max_new_tokens=NEW_TOKENS) != inside
