"""The same weights on two engines: what the report says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.scores import engine_agreement

MODELS = [
    {"name": "m", "engine": "transformers", "fingerprint": "f"},
    {"name": "m (vllm)", "engine": "vllm", "fingerprint": "f"},
]


def samples(error: float) -> pd.DataFrame:
    source = np.random.default_rng(0)
    rows = [
        {
            "model": model["name"], "engine": model["engine"], "behavior": "kind", "scoring": "text", "split": "test",
            "scale": "relative", "positions": "all", "layers": "" if strength == 0 else "3", "strength": strength,
            "prompt_id": f"p{prompt}", "order": 0,
        }
        for model in MODELS for strength in (0.0, 0.1) for prompt in range(10)
    ]  # fmt: skip
    scores = np.tile(source.normal(size=20), 2)
    scores[25] += error
    return pd.DataFrame(rows).assign(score=scores)


def test_the_largest_difference_is_told() -> None:
    (said,) = engine_agreement(samples(0.003), MODELS)
    assert said.kind == "negative"  # that they differ is not shown
    assert "m (transformers) and m (vllm) (vllm) are the same weights on two engines" in said.text
    assert "20 scores differ by at most 0.003" in said.text


def test_a_difference_that_would_show_in_effects_is_a_caution() -> None:
    (said,) = engine_agreement(samples(0.5), MODELS)
    assert said.kind == "caution"
    assert said.values["share"] > 0.05


@pytest.mark.parametrize(
    "other",
    [{"fingerprint": "another"}, {"engine": "transformers"}, {"fingerprint": ""}],
)
def test_other_weights_and_one_engine_are_not_compared(other: dict[str, str]) -> None:
    models = [MODELS[0] | ({"fingerprint": ""} if other.get("fingerprint") == "" else {}), MODELS[1] | other]
    assert engine_agreement(samples(0.0), models) == []


def test_runs_put_together_are_compared_by_engine_also_under_one_name() -> None:
    table = samples(0.003).assign(model="m")
    models = [MODELS[0], MODELS[1] | {"name": "m"}]
    (said,) = engine_agreement(pd.concat([table, table], ignore_index=True), models)
    assert "m (transformers) and m (vllm) are" in said.text
    assert "20 scores" in said.text
