"""Texts longer than the context are counted before anything runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import transformers

from tiny import random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab import extract
from trimtab.data import Behavior, Pair
from trimtab.engines import Model
from trimtab.errors import DataError, TrimtabWarning
from trimtab.models import ContextLimit, EncodedPair, Text, wrap
from trimtab.models.context import context_of
from trimtab.steering import steering

LIMIT = 256
LONG = EncodedPair("long", (*range(3, 270), 7), (*range(3, 270), 8), 260, 267)
LONG_TEXT = Text(tuple(range(3, 270)), 260)
PLAIN = Pair(id="short", prompt="Hi", positive="yes", negative="no")
LONG_PAIR = Pair(id="wordy", prompt="word " * 60, positive="yes", negative="no")


def pairs() -> list[EncodedPair]:
    return [*random_pairs(2), LONG]


Ask = Callable[[Model], Any]
ASKED: dict[str, Ask] = {
    "capture": lambda m: list(m.capture(pairs(), "last")),
    "sweep": lambda m: list(m.score(pairs(), [steering(vector_for(m.backbone), 1, 1.0)], "choice")),
    "follow": lambda m: list(m.score_texts([LONG_TEXT])),
    "states": lambda m: list(m.states([LONG_TEXT], [0])),
    "encode": lambda m: m.encode([PLAIN, LONG_PAIR], "text"),
    "extract": lambda m: extract(m, Behavior(name="b", pairs=(PLAIN, LONG_PAIR))),
}


@pytest.fixture
def gpt2() -> Model:
    return Model(tiny("gpt2"))


@pytest.fixture
def rotary() -> Model:
    return Model(tiny("llama"))


@pytest.fixture
def silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        yield


@pytest.mark.parametrize("what", ASKED)
def test_past_a_table_of_positions_nothing_runs(what: str, gpt2: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*args: Any, **options: Any) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(gpt2.backbone.model, "forward", run)
    monkeypatch.setattr(gpt2.backbone.anatomy.decoder, "forward", run)
    with pytest.raises(DataError, match=r"(pair long|pair wordy|text 1): \d+ tokens, and tiny-gpt2 takes 256"):
        ASKED[what](gpt2)


def test_every_pair_that_is_too_long_is_named(gpt2: Model) -> None:
    other = EncodedPair("longer", LONG.positive * 2, LONG.negative * 2, 260, 267)
    with pytest.raises(DataError) as caught:
        list(gpt2.capture([*pairs(), other], "last"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["pair long", "pair longer"]


@pytest.mark.parametrize("what", ASKED)
def test_past_the_context_of_a_rotary_model_there_is_a_warning_once(what: str, rotary: Model) -> None:
    with pytest.warns(TrimtabWarning, match=r"longer than the 256 tokens") as told:
        ASKED[what](rotary)
    assert sum("longer than" in str(warning.message) for warning in told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        ASKED[what](rotary)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_what_fits_to_the_last_token_is_not_mentioned(family: str, silent: None) -> None:
    fits = EncodedPair("fits", tuple(range(3, 3 + LIMIT)), (*range(3, 2 + LIMIT), 1), 250, LIMIT - 1)
    model = Model(tiny(family))
    (found,) = model.capture([fits], "last")
    assert found.indices == [0]
    assert len(model.generate(["x" * 200], max_new_tokens=3)) == 1


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_replies_end_where_the_context_does_and_that_is_told(family: str) -> None:
    model = Model(tiny(family))
    room = 6
    prompt = "x" * (LIMIT - room - len(model.tokens("")))
    assert len(model.tokens(prompt)) == LIMIT - room
    with pytest.warns(TrimtabWarning, match=r"1 of 2 replies may be cut short.* leave 6 of max_new_tokens 40"):
        texts = model.generate(["short", prompt], max_new_tokens=40)
    assert len(model.backbone.tokenizer(texts[1], add_special_tokens=False)["input_ids"]) <= room
    with pytest.warns(TrimtabWarning, match="cut short"):
        "".join(Model(tiny(family)).stream(prompt, max_new_tokens=40))


def test_a_prompt_that_leaves_no_room_for_a_reply_is_refused_where_positions_end() -> None:
    with pytest.raises(DataError, match=r"^prompt 2: .* leave no room"):
        Model(tiny("gpt2")).generate(["short", "x" * LIMIT])


def test_where_positions_go_on_a_reply_to_a_long_prompt_is_written_with_a_warning_as_its_score_is() -> None:
    with pytest.warns(TrimtabWarning, match="prompt 2"):
        replies = Model(tiny("llama")).generate(["short", "x" * LIMIT], max_new_tokens=2)
    assert len(replies) == 2


@pytest.mark.parametrize(
    ("family", "hard"),
    [("gpt2", True), ("llama", False), ("gemma3", False), ("gpt_neox", False), ("mistral", False), ("phi3", False)],
)
def test_where_positions_are_looked_up_the_limit_is_hard(family: str, hard: bool) -> None:
    assert tiny(family).context == ContextLimit(LIMIT, hard)


@pytest.mark.parametrize(
    ("kind", "hard"), [("GPTJ", True), ("OPT", True), ("GPTNeo", True), ("Bloom", False), ("Mpt", False)]
)
def test_tables_of_positions_are_found_under_whatever_name(kind: str, hard: bool) -> None:
    config = getattr(transformers, f"{kind}Config")
    known = {*config().to_dict(), *config.attribute_map}
    small = {"n_layer": 1, "n_layers": 1, "num_layers": 1, "num_hidden_layers": 1, "vocab_size": 300}
    fields = {key: value for key, value in small.items() if key in known and key not in config.attribute_map.values()}
    if kind == "GPTNeo":
        fields = {"num_layers": 1, "attention_types": [[["global"], 1]]}
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config(**fields))
    assert context_of(model).hard == hard


def test_a_width_that_equals_the_context_is_no_table() -> None:
    model = tiny_model("llama", hidden_size=64, max_position_embeddings=64, head_dim=16)
    backbone = wrap(model, tiny_tokenizer(), name="square")
    assert backbone.context == ContextLimit(64, hard=False)
