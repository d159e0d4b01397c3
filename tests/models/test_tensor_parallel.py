"""A model that two processes hold in halves, by tensor parallelism over gloo: the numbers of the plain one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from readings import readings
from tiny import tiny_model, tiny_tokenizer
from trimtab.errors import SettingError

FAMILIES = ("llama", "qwen3", "qwen3_moe")
WORKER = Path(__file__).with_name("tensor_parallel_worker.py")
UNEVEN = {"num_attention_heads": 3, "num_key_value_heads": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for name, model in {
        **{family: tiny_model(family) for family in FAMILIES}, "gpt2": tiny_model("gpt2"),
        "uneven": tiny_model("llama", **UNEVEN),
    }.items():  # fmt: skip
        model.save_pretrained(place / name)
        tiny_tokenizer().save_pretrained(place / name)
    return place


@pytest.fixture(scope="module")
def seen(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes has read of each model, or why it was refused."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(WORKER)]
    models = [str(folders / name) for name in (*FAMILIES, "gpt2", "uneven")]
    done = subprocess.run(
        [*command, str(results), *models], env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=240, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(results / f"{rank}.pt", weights_only=False) for rank in (0, 1)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_process_reads_and_writes_what_one_alone_does(
    family: str, folders: Path, seen: list[dict[str, Any]]
) -> None:
    plain = tt.load(str(folders / family), dtype="float32", device="cpu")
    expected = readings(plain)
    for rank in seen:
        found = rank[family]
        assert not isinstance(found, str), found
        assert 0.45 < found["share"] < 0.55, "each process holds its half"
        assert (found["fingerprint"], found["facts"]) == (plain.fingerprint, plain.facts)
        assert found["exact logits"]
        assert found["place"] == "cpu (divided)"
        assert found["readings"].keys() == expected.keys()
        for name, values in expected.items():
            torch.testing.assert_close(found["readings"][name], values, atol=1e-4, rtol=1e-4, msg=f"{family}: {name}")
    one, other = (rank[family]["readings"] for rank in seen)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_divided_is_refused_in_words_by_every_process(seen: list[dict[str, Any]]) -> None:
    for rank in seen:
        assert "no plan of how to divide GPT2LMHeadModel; spread its layers with device='balanced'" in rank["gpt2"]
        assert "3 attention heads and 3 key value heads cannot be divided evenly by 2 processes" in rank["uneven"]


def test_a_process_alone_is_told_how_to_start_several(folders: Path) -> None:
    with pytest.raises(SettingError, match="torchrun --nproc-per-node 2"):
        tt.load(str(folders / "llama"), tensor_parallel=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cpu"}, "leave out device and quantization"),
        ({"quantization": "bnb-4bit"}, "leave out device and quantization"),
        ({"engine": "vllm"}, "for vllm, use its engine_options"),
    ],
)
def test_options_that_do_not_go_with_it_are_refused(options: dict[str, Any], words: str, folders: Path) -> None:
    with pytest.raises(SettingError, match=words):
        tt.load(str(folders / "llama"), tensor_parallel=True, **options)


def test_a_model_in_memory_is_as_it_is() -> None:
    with pytest.raises(SettingError, match="leave out tensor_parallel"):
        tt.load(tiny_model("llama"), tiny_tokenizer(), tensor_parallel=True)
