"""An engine that does not steer is not handed over; configurations in which it could not are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trimtab.engines.vllm.guard import self_test
from trimtab.engines.vllm.guard.self_test import require_steering
from trimtab.engines.vllm.plugin._config_checks import refuse_unsupported
from trimtab.errors import ModelError

LAYERS = 3


class Engine:
    """As much of the engine as its proof looks at; `deaf` layers hear no push."""

    def __init__(self, armed: list[list[int]], deaf_in_prompts: int | None = None):
        self.armed, self.deaf = armed, deaf_in_prompts
        self.identity = SimpleNamespace(facts=SimpleNamespace(layers=LAYERS, width=4))

    def status(self) -> list[dict[str, Any]]:
        return [{"layers": layers} for layers in self.armed]

    def score_choices(self, pairs: Any, cells: Any, scoring: str) -> torch.Tensor:
        moved = [0.0 if cell is None or cell.layers[0] == self.deaf else 1.0 + cell.layers[0] for cell in cells]
        return torch.tensor(moved)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, int | None]:
    """Which layer hears no push in what is written."""
    deaf: dict[str, int | None] = {"layer": None}

    def second(engine: Any, cells: Any) -> list[tuple[int, float]]:
        return [(5, 0.0 if cell is None or cell.layers[0] == deaf["layer"] else -1.0) for cell in cells]

    monkeypatch.setattr(self_test, "_second_tokens", second)
    return deaf


@pytest.mark.parametrize("armed", [[[0, 1, 2]], [[0], [1, 2]], [[0, 1, 2], [0, 1, 2]]])
@pytest.mark.usefixtures("written")
def test_an_engine_whose_layers_all_push_is_handed_over(armed: list[list[int]]) -> None:
    require_steering(Engine(armed))  # type: ignore[arg-type]


@pytest.mark.parametrize("armed", [[], [[0, 1]], [[0], [2]]])
@pytest.mark.usefixtures("written")
def test_layers_that_no_worker_has_armed_are_found_out(armed: list[list[int]]) -> None:
    with pytest.raises(ModelError, match="not all of 0 to 2"):
        require_steering(Engine(armed))  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", range(LAYERS))
def test_a_layer_whose_push_changes_nothing_is_found_out(layer: int, written: dict[str, int | None]) -> None:
    with pytest.raises(ModelError, match=f"a push behind layer {layer} changes nothing in prompts"):
        require_steering(Engine([[0, 1, 2]], deaf_in_prompts=layer))  # type: ignore[arg-type]
    written["layer"] = layer
    with pytest.raises(ModelError, match=f"a push behind layer {layer} changes nothing in what is written"):
        require_steering(Engine([[0, 1, 2]]))  # type: ignore[arg-type]


def config(**changes: Any) -> Any:
    """VLLM's, in which everything is as it has to be but for some changes, by their dotted names."""
    given = SimpleNamespace(
        parallel_config=SimpleNamespace(
            use_ubatching=False,
            decode_context_parallel_size=1,
            prefill_context_parallel_size=1,
            use_sequence_parallel_moe=False,
            enable_elastic_ep=False,
        ),
        compilation_config=SimpleNamespace(mode=3, pass_config=SimpleNamespace(enable_sp=False)),
        cache_config=SimpleNamespace(kv_sharing_fast_prefill=False),
        model_config=SimpleNamespace(
            runner_type="generate",
            is_diffusion=False,
            dtype=torch.float16,
            hf_text_config=SimpleNamespace(routed_scaling_factor=1.0),
        ),
        speculative_config=None,
        kv_transfer_config=None,
    )
    for name, value in changes.items():
        *path, last = name.split("__")
        place = given
        for step in path:
            place = getattr(place, step)
        setattr(place, last, value)
    return given


def test_a_plain_configuration_is_taken() -> None:
    refuse_unsupported(config())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"speculative_config": object()}, "speculative decoding"),
        ({"parallel_config__use_ubatching": True}, "dual-batch overlap"),
        ({"compilation_config__pass_config__enable_sp": True}, "sequence parallelism"),
        ({"parallel_config__use_sequence_parallel_moe": True}, "sequence parallelism"),
        ({"parallel_config__decode_context_parallel_size": 2}, "context parallelism"),
        ({"parallel_config__prefill_context_parallel_size": 2}, "context parallelism"),
        ({"parallel_config__enable_elastic_ep": True}, "elastic expert parallelism"),
        ({"kv_transfer_config": object()}, "a KV connector"),
        ({"model_config__runner_type": "pooling"}, "pooling models"),
        ({"cache_config__kv_sharing_fast_prefill": True}, "kv_sharing_fast_prefill"),
        ({"compilation_config__mode": 1}, "stock mode"),
        ({"model_config__is_diffusion": True}, "diffusion models"),
        ({"model_config__hf_text_config__routed_scaling_factor": 2.5}, "take bfloat16"),
    ],
)
def test_what_steering_does_not_work_with_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        refuse_unsupported(config(**changes))


def test_a_scaled_stream_is_fine_in_bfloat16() -> None:
    refuse_unsupported(
        config(
            model_config__dtype=torch.bfloat16,
            model_config__hf_text_config=SimpleNamespace(routed_scaling_factor=2.5),
        )
    )
