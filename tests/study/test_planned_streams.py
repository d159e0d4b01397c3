"""The plan of a study on a streamed model: how often its weights are read, for how long, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import trimtab.engines.transformers.packing.budget as budget
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.models.streaming import _memory_fit
from trimtab.models.streaming.layer_stream import LayerStream
from trimtab.study import make_study, plan_study, run_study
from trimtab.study.plan._planned_streams import PlannedStreams


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tiny_model("llama", max_position_embeddings=4096).save_pretrained(tmp_path / "model")
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(tmp_path / "model")
    return tmp_path / "model" / "model.safetensors"


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[LayerStream]:
    """Those of the models that are loaded."""
    made: list[LayerStream] = []
    begin = LayerStream.__init__

    def init(stream: LayerStream, *args: Any) -> None:
        begin(stream, *args)
        made.append(stream)

    monkeypatch.setattr(LayerStream, "__init__", init)
    return made


def study(weights: Path, stream: bool | None = True, model: dict[str, Any] | None = None, **changes: Any) -> Any:
    about = {"id": str(weights.parent), "name": "tiny", "dtype": "float32", "device": "cpu", "stream": stream}
    return make_study(
        {
            "name": "small",
            "models": [about | (model or {})],
            "behaviors": [{"source": name, "limit": 16} for name in ("cheerful", "concise")],
            "layers": "1,2",
            "strengths": [-0.1, 0.1],
            **changes,
        }
    )


def planned(of: Any, accelerator: str | None = None) -> tuple[PlannedStreams, str]:
    plan = plan_study(of, accelerator)
    streamed = plan.models[0].streamed
    assert streamed is not None
    return streamed, plan.text()


@pytest.mark.parametrize("changes", [{}, {"behaviors": [{"source": "corrigible", "limit": 16}]}])
def test_a_run_reads_every_layer_as_often_as_the_plan_says(
    changes: dict[str, Any], weights: Path, streams: list[LayerStream], tmp_path: Path
) -> None:
    found, text = planned(study(weights, **changes))
    assert not streams, "nothing is streamed for a plan"
    run_study(study(weights, **changes), tmp_path / "run")
    assert streams[0].reads == [found.streams] * 4
    assert streams[0].bytes_read == found.streams * found.stream.layer_bytes
    assert f"  {found.streams} streams over the weights: load 1, vectors" in text


def test_behaviors_and_measures_share_streams_and_the_plan_says_what_they_take_apart(
    weights: Path, streams: list[LayerStream], tmp_path: Path
) -> None:
    wanted: dict[str, Any] = {"dose": True, "diagnosis": {}}
    found, text = planned(study(weights, **wanted))
    counts = dict(found.phases)
    # The second behavior has longer pairs, so what may run together is tried once more, beside the first extraction.
    # Neutral texts take eight tokens and three trials; meanwhile both sweeps are tried and run, and the doses of both
    # are read in one stream behind them, as are the pairs of both for the diagnosis.
    assert counts == {"vectors": 3, "doses and scores": 13, "measures": 1}
    run_study(study(weights, **wanted), tmp_path / "run")
    assert streams[0].reads == [found.streams] * 4, "each layer once in each stream"
    assert streams[0].bytes_read == found.streams * found.stream.layer_bytes
    assert f"; one job after the other {found.apart}" in text
    assert found.apart >= found.streams + 5


def test_percentiles_are_read_before_doses_and_scores_which_share_streams(
    weights: Path, streams: list[LayerStream], tmp_path: Path
) -> None:
    of = study(weights, scale="floor", bound=["p25", "p75"], strengths=[25, 75], dose=True)
    found, _ = planned(of)
    run_study(of, tmp_path / "run")
    assert streams[0].reads == [found.streams] * 4
    without = planned(study(weights, dose=True))[0]
    assert found.streams == without.streams + 1, "the behaviors' projections share a stream"


def test_what_has_no_room_takes_several_streams_in_the_plan_too_and_it_says_why(
    weights: Path, streams: list[LayerStream], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "CPU_TOKENS", 600)
    monkeypatch.setattr(budget, "CPU_BYTES", 4_000_000)
    found, text = planned(study(weights))
    assert found.streams > 6, "with room for all of them they take six"
    assert re.search(r"sweep cheerful: \d+ streams over the weights instead of one: .* in memory", text)
    run_study(study(weights), tmp_path / "run")
    assert streams[0].reads == [found.streams] * 4


def test_a_run_that_writes_takes_no_more_streams_than_the_plan_says(
    weights: Path, streams: list[LayerStream], tmp_path: Path
) -> None:
    replies = {"prompts": 4, "max_new_tokens": 4, "judges": [{"pattern": "a"}]}
    changes: dict[str, Any] = {"behaviors": [{"source": "cheerful", "limit": 16}], "dose": True, "replies": replies}
    found, text = planned(study(weights, **changes))
    run_study(study(weights, **changes), tmp_path / "run")
    assert found.streams / 2 < max(streams[0].reads) <= found.streams
    assert f"at most {found.streams} streams" in text


def test_memory_is_what_stays_and_two_layers(weights: Path) -> None:
    plan = plan_study(study(weights)).models[0]
    whole = plan_study(study(weights, stream=False)).models[0]
    assert plan.streamed is not None
    assert whole.streamed is None
    assert plan.memory_bytes == whole.memory_bytes - plan.streamed.stream.layer_bytes // 2  # of four layers


def test_a_model_that_does_not_fit_is_planned_as_it_would_be_loaded(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "meminfo").write_text(f"MemAvailable: {2**20} kB\n")
    monkeypatch.setattr(_memory_fit, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(_memory_fit, "_OWN_CGROUPS", tmp_path / "none")
    found, text = planned(study(weights, stream=None))
    assert found.streams == 6
    assert "streamed, since the whole model does not fit into memory: " in text


def test_a_model_of_which_only_facts_are_known_is_planned_as_if_layers_were_all_of_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {
        "layers": 10, "width": 64, "kv_heads": 2, "head_size": 16, "parameters": 1_000_000,
        "active_parameters": 1_000_000,
    }  # fmt: skip
    about = {"id": "nobody/nothing", "facts": facts, "dtype": "bfloat16"}
    found, text = planned(study(weights, model=about))
    assert found.stream.layer_bytes == 2_000_000
    assert found.stream.resident_bytes == 0
    assert found.held_bytes == 400_000, "two of ten layers"
    assert found.streams >= 5
    assert "2 MB each: how fast its disk is, is not known" in text
    assert plan_study(study(weights, stream=None, model=about)).models[0].streamed is None, "nobody asked for it"


@pytest.mark.parametrize("accelerator", [None, "h100"])
def test_time_is_at_least_that_of_reading(
    accelerator: str | None, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.models.streaming.stream_plan.reading_speed", lambda tensors: 100.0)
    of = study(weights, model={"dtype": "auto"}) if accelerator else study(weights)
    found, text = planned(of, accelerator)
    seconds = plan_study(of, accelerator).models[0].seconds
    if accelerator:
        assert "how fast its disk is, is not known" in text
        assert seconds < 1
    else:
        assert found.stream.seconds(1) == found.stream.layer_bytes / 100
        assert seconds >= found.stream.seconds(found.streams) * 0.999


def test_replies_that_would_take_too_long_are_refused_in_the_plan(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.models.streaming.stream_plan.reading_speed", lambda tensors: 1000.0)
    replies = {"prompts": 4, "max_new_tokens": 40, "judges": [{"pattern": "a"}]}
    found, text = planned(study(weights, replies=replies))
    hours = 40 * found.stream.layer_bytes / 1000 / 3600
    assert "replies about cheerful is refused: tiny is streamed from disk" in text
    assert f"about {hours:.3g} hours" in text
    _, text = planned(study(weights, replies=replies, model={"engine_options": {"max_writing_hours": hours * 1.01}}))
    assert "is refused" not in text


def test_training_is_refused_in_the_plan(weights: Path) -> None:
    _, text = planned(study(weights, method="bipo", training={"steps": 2}))
    assert "training needs the weights of all layers" in text
