"""Runs, shared folders and vector files that are damaged: a server starts with them, or says what is wrong and ends."""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from mutations import mutated_bytes

from damage import damages
from run_folders import recommending_run
from served import running, service_for
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.main import main
from trimtab.engines import Model
from trimtab.errors import TrimtabError
from trimtab.models import Backbone, wrap
from trimtab.serve.steering.vector_library import VectorLibrary
from trimtab.sharing import share_vector
from trimtab.study.recommending.recommended_file import RECOMMENDED

RUNS, FILES = 14, 50
SECONDS = 20.0
"""Of one input, on a machine that does much else."""
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return wrap(tiny_model("llama", num_hidden_layers=12), tiny_tokenizer(CHAT_TEMPLATE), name="tiny-deep")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run"
    recommending_run(path, backbone)
    return path


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory, backbone: Backbone) -> Path:
    path = tmp_path_factory.mktemp("model")
    backbone.model.save_pretrained(path)
    backbone.tokenizer.save_pretrained(path)
    return path


def outcome(path: Path, backbone: Backbone) -> str:
    """How reading ends; anything but a refusal in words is an error of the test."""
    begun = time.monotonic()
    try:
        library = VectorLibrary.read([path], backbone)
        for one in library:
            text = json.dumps(one.description(), allow_nan=False)
            assert str(path) not in text, "clients learn no paths"
        ended, reason = "read", ""
    except TrimtabError as error:
        ended, reason = "refused", str(error).strip()
    assert ended == "read" or reason
    assert time.monotonic() - begun < SECONDS
    return ended


def test_damaged_runs_are_served_or_refused_in_words(run: Path, backbone: Backbone, tmp_path: Path) -> None:
    ends: Counter[str] = Counter()
    for number, damage in enumerate(damages(run, RUNS, seed=4)):
        copy = tmp_path / f"{number}" / "run"
        shutil.copytree(run, copy)
        damage.apply(copy)
        ends[outcome(copy, backbone)] += 1
    assert min(ends["read"], ends["refused"]) > 1, ends


def test_damaged_settings_vectors_and_shared_folders_are_served_or_refused_in_words(
    run: Path, backbone: Backbone, tmp_path: Path
) -> None:
    source, ends = random.Random(5), Counter[str]()
    vector = vector_for(backbone, layers=12)
    share_vector(vector, tmp_path / "shared", layer=2, strength=0.5)
    alone = vector.save(tmp_path / "alone.safetensors")
    bare = tmp_path / "bare"  # what the settings need of a run
    (bare / "vectors").mkdir(parents=True)
    shutil.copytree(run / "vectors", bare / "vectors", dirs_exist_ok=True)
    shutil.copy(run / RECOMMENDED, bare / RECOMMENDED)
    files = [
        (bare, RECOMMENDED), (bare, "vectors/tiny-135M--cheerful.safetensors"), (tmp_path / "shared", "steering.json"),
        (tmp_path / "shared", "vectors.safetensors"), (alone, ""),
    ]  # fmt: skip
    for number in range(FILES):
        whole, name = files[number % len(files)]
        copy = tmp_path / f"{number}" / whole.name
        copy.parent.mkdir()
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, copy)
        damaged = copy / name if name else copy
        damaged.write_bytes(mutated_bytes(damaged.read_bytes(), source))
        ends[outcome(copy, backbone)] += 1
    assert min(ends["read"], ends["refused"]) > FILES / 20, ends


def served_by_hand(saved_model: Path, vectors: Path) -> int:
    return main(["serve", "--model", str(saved_model), "--vectors", str(vectors), "--port", "0", "--describe"])


def test_a_server_with_a_damaged_source_ends_with_code_2_and_names_the_file(
    run: Path, saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    (broken / "manifest.json").write_text("{", encoding="utf-8")
    vector = tmp_path / "cheerful.safetensors"
    vector.write_bytes(b"\xff" * 100)
    for path in (broken, vector, tmp_path / "nowhere"):
        assert served_by_hand(saved_model, path) == 2
        said = capsys.readouterr().err
        assert path.name in said
        assert "Traceback" not in said
    assert served_by_hand(saved_model, run) == 0


def test_a_run_that_is_damaged_while_it_is_served_ends_no_request_and_is_refused_where_it_is_read_again(
    run: Path, backbone: Backbone, tmp_path: Path
) -> None:
    source = random.Random(6)
    for number, name in enumerate(("manifest.json", RECOMMENDED, "vectors/tiny-135M--cheerful.safetensors", "samples")):
        copy = tmp_path / f"run-{number}"
        shutil.copytree(run, copy)
        library = VectorLibrary.read([copy], backbone)
        with running(service_for(Model(backbone), library=library)) as server, server.client() as http:
            if (damaged := copy / name).is_dir():
                shutil.rmtree(damaged)
            else:
                damaged.write_bytes(mutated_bytes(damaged.read_bytes()[:-20], source))
            exported = http.post("/v1/steering/export", json={"steering": "cheerful"})
            assert exported.status_code in (200, 400), exported.text
            assert exported.status_code == 200 or str(tmp_path) not in exported.text
            reply = http.post("/v1/chat/completions", json={"messages": HELLO, "steering": "cheerful", "max_tokens": 2})
            assert reply.status_code == 200, reply.text
            assert http.get("/health").status_code == 200
