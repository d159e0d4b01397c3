"""The examples run, with small settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for name in {file.stem for file in EXAMPLES.glob("*.py")} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.mark.bundled
def test_the_example_of_extraction_steers_a_reply(capsys: pytest.CaptureFixture[str]) -> None:
    import extract_and_steer

    extract_and_steer.main(pairs=12, max_new_tokens=8)
    replies = [block.split(": ", 1)[1] for block in capsys.readouterr().out.split("\n\n")[1:4]]
    assert len(set(replies)) == 3


@pytest.mark.bundled
def test_the_example_of_a_sweep_reports_on_held_out_prompts() -> None:
    import sweep_and_choose

    best = sweep_and_choose.main(pairs=24, layers=(14, 17), prompts=6)
    assert best.held_out
    assert best.layer in (14, 17)


@pytest.mark.bundled
def test_the_example_of_a_monitor_detects_the_behavior(capsys: pytest.CaptureFixture[str]) -> None:
    import monitor_tokens

    assert monitor_tokens.main(pairs=24).texts.auroc > 0.6
    assert "[" in capsys.readouterr().out.split("\n\n")[1]


def test_the_example_of_published_results_reads_files_by_their_names(tmp_path: Path) -> None:
    import caa_results

    items = [{"question": "?", "answer_matching_behavior": "(B)", "a_prob": 0.3, "b_prob": 0.6}] * 2
    folder = tmp_path / "sycophancy"
    folder.mkdir()
    end = "use_base_model=False_model_size=7b.json"
    for middle in ("13_multiplier=-1.0", "13_multiplier=0.5", "4_multiplier=1.0"):
        for prompt in ("", "system_prompt=pos_"):
            name = f"results_layer={middle}_behavior=sycophancy_type=ab_{prompt}{end}"
            (folder / name).write_text(json.dumps(items), encoding="utf-8")
    other = f"results_layer=13_multiplier=1.0_behavior=sycophancy_type=ab_override_vector=13_{end}"
    (folder / other).write_text(json.dumps(items), encoding="utf-8")
    found = caa_results.table(tmp_path)
    assert len(found) == 8
    assert found.groupby(["layer", "multiplier", "system_prompt"]).size().to_dict() == {
        (4, 1.0, "none"): 2, (4, 1.0, "pos"): 2, (13, -1.0, "none"): 2, (13, -1.0, "pos"): 2
    }  # fmt: skip
    assert found["item"].tolist() == [0, 1] * 4
