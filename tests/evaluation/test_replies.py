"""Replies in every cell: the text, its tokens and its surprise are those of the slow loop, whatever is beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
import torch

import oracle
from tiny import HYBRID, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab._util.callbacks import Progress
from trimtab.analysis import WRITTEN_REPLIES
from trimtab.data import Message, Pair
from trimtab.engines import Model, Reply, Request
from trimtab.evaluation import Grid, ReplyTask, reply_batches, reply_keys
from trimtab.evaluation import replies as module
from trimtab.models import user_text, wrap
from trimtab.steering import UNSTEERED, Cell, Positions, SteeringSetting, push_scales

NEW_TOKENS = 10
END = 2
PAIRS = (
    Pair("short", "Hm", "yes", "no"),
    Pair("long", "A much longer prompt, to be written beside the short one", "yes", "no"),
    Pair("talk", (Message(role="user", content="Hi"), Message(role="assistant", content="Yes?"),
                  Message(role="user", content="Why?")), "yes", "no"),
)  # fmt: skip
GRID = Grid(((0,), (1, 3), (2,)), (-0.4, 0.4), SteeringSetting("relative"))
CELLS = [UNSTEERED, *GRID.steered]


@pytest.fixture(scope="module", params=["llama", HYBRID])
def model(request: pytest.FixtureRequest) -> Model:
    return Model(tiny(request.param))


@pytest.fixture(scope="module")
def llama_model() -> Model:
    return Model(tiny("llama"))


def every(cells: Sequence[Cell] = CELLS, split: str = "select") -> list[ReplyTask]:
    return [ReplyTask(split, pair, cell) for pair in PAIRS for cell in cells]


def written(model: Model, asks: Sequence[ReplyTask], grid: Grid = GRID) -> pd.DataFrame:
    frames = reply_batches(model, vector_for(model.backbone), grid, asks, "kind", max_new_tokens=NEW_TOKENS)
    return pd.concat(frames, ignore_index=True)


def by_key(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["split", "prompt_id", "layers", "strength"]).sort_index()


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    one, other = by_key(one), by_key(other)
    pd.testing.assert_frame_equal(one.drop(columns="nll"), other.drop(columns="nll"))
    np.testing.assert_allclose(one["nll"], other["nll"], atol=1e-4)


def slowly(model: Model, ask: ReplyTask, grid: Grid) -> tuple[list[int], str, float]:
    """Tokens, how the reply ends, and its nats per token, without any batch or cache."""
    prompt = model.tokens(user_text(ask.pair, "text"))
    push = None if ask.cell == UNSTEERED else grid.intervention(vector_for(model.backbone), ask.cell)
    tokens = oracle.greedy(model.backbone, prompt, push, NEW_TOKENS, stop=END)
    finish = "end" if tokens[-1] == END else "length"
    tokens = tokens[:-1] if finish == "end" else tokens
    log_probs = oracle.forward(model.backbone, (*prompt, *tokens))[0].double().log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(tokens) - 1)
    nats = [-float(log_probs[place, token]) for place, token in zip(places, tokens, strict=True)]
    return tokens, finish, float(np.mean(nats)) if nats else float("nan")


def equals_the_slow_loop(model: Model, asks: Sequence[ReplyTask], grid: Grid) -> None:
    table = by_key(written(model, asks, grid))
    for ask in asks:
        row = table.loc[tuple(ask.key)]
        tokens, finish, nats = slowly(model, ask, grid)
        text = model.backbone.tokenizer.decode(tokens, skip_special_tokens=True).rstrip("\ufffd").strip()
        assert (row["reply"], row["tokens"], row["finish"]) == (text, len(tokens), finish)
        assert row["nll"] == pytest.approx(nats, abs=1e-4, nan_ok=True)


def test_every_prompt_and_cell_that_was_asked_has_one_row(model: Model) -> None:
    asks = every()
    table = written(model, asks)
    assert tuple(table.columns) == WRITTEN_REPLIES
    assert len(table) == len(asks) == len(reply_keys(table))
    assert reply_keys(table) == {ask.key for ask in asks}
    assert set(table["prompt"]) == {"Hm", PAIRS[1].prompt, "user: Hi\n\nassistant: Yes?\n\nuser: Why?"}
    assert set(zip(table["layers"], table["layer"], table["depth"], strict=True)) == {
        ("", -1, 0.0), ("0", 0, 0.25), ("1+3", 1, 0.5), ("2", 2, 0.75)
    }  # fmt: skip
    fixed = table[["model", "behavior", "engine", "scale", "positions", "split"]].drop_duplicates()
    assert fixed.values.tolist() == [[model.name, "kind", model.engine.name, "relative", "all", "select"]]


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt", "generated"])
def test_replies_equal_the_slow_loop_at_every_position_policy(model: Model, positions: Positions) -> None:
    equals_the_slow_loop(model, every(), Grid(GRID.layers, GRID.strengths, SteeringSetting("relative", positions)))


@pytest.mark.parametrize(
    ("scale", "strength"), [("raw", 1.5), ("relative", 0.7), ("rotate", 0.7), ("project_out", 1.0), ("clamp", -2.0)]
)
def test_replies_equal_the_slow_loop_at_every_scale(llama_model: Model, scale: str, strength: float) -> None:
    cells = [UNSTEERED, Cell((1,), strength), Cell((0, 2), strength)]
    equals_the_slow_loop(llama_model, every(cells), Grid(((1,),), (1,), SteeringSetting(scale)))


def test_every_scale_is_compared() -> None:
    others = {
        "cap",
        "floor",
        "affine",
        "transport",
    }  # tests/steering/test_scales_conformance.py, tests/engines/test_writing.py
    assert set(push_scales()) == {"raw", "relative", "rotate", "project_out", "clamp"} | others


def test_a_calibrated_grid_pushes_by_what_was_found(llama_model: Model) -> None:
    found = {Cell((1,), 0.2): 0.35, Cell((1,), -0.2): -0.6}
    table = by_key(
        written(
            llama_model, every([UNSTEERED, *found]), Grid(((1,),), (-0.2, 0.2), SteeringSetting("kl"), alphas=found)
        )
    )
    plain = by_key(written(llama_model, every([Cell((1,), a) for a in found.values()])))
    assert set(table["scale"]) == {"kl"}
    for (_, strength), alpha in found.items():
        replies = (t.xs(s, level="strength")["reply"].tolist() for t, s in ((table, strength), (plain, alpha)))
        assert next(replies) == next(replies)


def test_steering_changes_what_is_said(model: Model) -> None:
    """So that the comparisons above compare something."""
    table = written(model, every())
    assert table.groupby("prompt_id")["reply"].nunique().min() >= 4


def test_cells_outside_of_the_grid_may_be_asked(model: Model) -> None:
    equals_the_slow_loop(model, every([Cell((3,), 0.25), Cell((0, 1, 2), -0.1)]), GRID)


def test_nothing_depends_on_the_company(model: Model) -> None:
    asks = every()
    whole = written(model, asks)
    same(pd.concat([written(model, asks[: len(asks) // 2]), written(model, asks[len(asks) // 2 :])]), whole)
    same(written(model, asks[::-1]), whole)
    same(written(model, asks[5:6]), whole[[key == asks[5].key for key in map(key_of, whole.to_dict("records"))]])


def key_of(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("split", "prompt_id", "layers", "strength"))


def test_replies_come_in_frames_of_so_many(llama_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written(llama_model, every())
    monkeypatch.setattr(module, "REPLIES_PER_FRAME", 4)
    vectors = vector_for(llama_model.backbone)
    frames = list(reply_batches(llama_model, vectors, GRID, every(), "kind", max_new_tokens=NEW_TOKENS))
    assert [len(frame) for frame in frames] == [4, 4, 4, 4, 4, 1]
    same(pd.concat(frames), whole)


def test_the_same_prompt_in_two_splits_has_two_rows(llama_model: Model) -> None:
    table = written(llama_model, [*every([UNSTEERED]), *every([UNSTEERED], split="test")])
    select, test = (table[table["split"] == split] for split in ("select", "test"))
    same(test.assign(split="select"), select)
    assert len(reply_keys(table)) == 2 * len(PAIRS)


def test_no_asks_no_frames(llama_model: Model) -> None:
    assert not list(reply_batches(llama_model, vector_for(llama_model.backbone), GRID, [], "kind", max_new_tokens=3))


class Curt(Model):
    """Ends its reply at once, or says only a word."""

    def replies(self, requests: Sequence[Request], *, progress: Progress | None = None) -> Iterator[tuple[int, Reply]]:
        for i in range(len(requests)):
            yield i, Reply("", (), "end") if i % 2 else Reply("Hm", self.tokens("Hm"), "end")


def test_an_empty_reply_has_no_words_and_no_surprise() -> None:
    model = Curt(wrap(tiny_model("llama"), tiny_tokenizer(), name="curt"))
    table = written(model, every([UNSTEERED, Cell((1,), 0.4)]))
    empty = table[table["reply"] == ""]
    assert len(empty) == len(PAIRS)
    assert empty["nll"].isna().all()
    assert empty[["words", "tokens", "repeat"]].eq(0).all(axis=None)
    assert table[table["reply"] != ""]["nll"].gt(0).all()


def test_a_model_whose_first_token_ends_it_replies_with_nothing(llama_model: Model) -> None:
    made = tiny_model("llama")
    with torch.no_grad():
        made.lm_head.weight[END] *= -9  # the likeliest token of all, or the least likely one
    model = Model(wrap(made, tiny_tokenizer(), name="ends"))
    table = written(model, every([UNSTEERED]))
    equals_the_slow_loop(model, every([UNSTEERED]), GRID)
    assert (table["tokens"] == 0).any()


def test_the_model_is_left_unsteered(model: Model) -> None:
    tokens = model.tokens("What is it?")
    before = oracle.forward(model.backbone, tokens)[0]
    hooks = [len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in model.backbone.anatomy.layers]
    frames = reply_batches(model, vector_for(model.backbone), GRID, every() * 4, "kind", max_new_tokens=NEW_TOKENS)
    next(frames)
    assert torch.equal(oracle.forward(model.backbone, tokens)[0], before)  # also between two frames
    frames.close()
    assert torch.equal(oracle.forward(model.backbone, tokens)[0], before)
    assert hooks == [len(la._forward_hooks) + len(la._forward_pre_hooks) for la in model.backbone.anatomy.layers]
