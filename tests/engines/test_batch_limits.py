"""What a configuration says of lengths at which a model computes something else."""

from __future__ import annotations

import sys

import pytest
import transformers

from peculiar import CONFIGS, ROPE_LIMIT
from trimtab.engines.transformers.probing._batch_limits import batch_length_limit, unfamiliar_sizes
from trimtab.engines.transformers.probing.exactness import UpTo


def config(kind: str, **fields: object) -> object:
    return getattr(transformers, f"{kind}Config")(**fields)


@pytest.mark.parametrize("family", ["phi3_longrope", "llama_dynamic"])
def test_rope_that_follows_the_longest_text_has_its_limit(family: str) -> None:
    kind, fields = CONFIGS[family]
    assert batch_length_limit(config(kind, **fields)) == ROPE_LIMIT


@pytest.mark.parametrize("rope", [{"rope_type": "default"}, {"rope_type": "linear", "factor": 2.0}])
def test_rope_that_does_not_has_none(rope: dict[str, object]) -> None:
    assert batch_length_limit(config("Llama", rope_parameters={"rope_theta": 100.0, **rope})) == sys.maxsize


def test_each_layer_type_may_have_a_rope_of_its_own() -> None:
    ropes = {
        "full_attention": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    found = config("Gemma3Text", max_position_embeddings=77)
    found.rope_parameters = ropes  # type: ignore[attr-defined]
    assert batch_length_limit(found) == 77


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("GPTNeo", "window_size"),
        ("Doge", "keep_window_size"),
        ("Llama4Text", "floor_scale"),
        ("Llama4Text", "attention_chunk_size"),
        ("DeepseekV32", "index_topk"),
        ("ModernBertDecoder", "local_attention"),
        ("BigBird", "block_size"),
    ],
)
def test_numbers_that_may_cut_a_row_are_noticed(kind: str, name: str) -> None:
    assert 4321 in unfamiliar_sizes(config(kind, **{name: 4321}))


@pytest.mark.parametrize(
    "kind", ["Llama", "Qwen2", "Qwen3", "Gemma2", "Gemma3Text", "Mistral", "Phi3", "Olmo2", "GPT2"]
)
def test_sizes_of_weights_do_not_ask_for_long_texts(kind: str) -> None:
    assert unfamiliar_sizes(config(kind)) == []


def test_a_question_is_asked_only_where_its_answer_does_not_follow() -> None:
    asked: list[int] = []

    def ask(size: int) -> bool:
        asked.append(size)
        return size < 100

    question = UpTo(ask)
    assert [question(size) for size in (50, 20, 50, 90, 300, 150, 400, 120, 95)] == [True] * 4 + [False] * 4 + [True]
    assert asked == [50, 90, 300, 150, 120, 95]
