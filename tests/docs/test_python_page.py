"""The page on Python: its code runs from top to bottom, and it lists every figure there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab._util.plot_registry import PLOTS
from trimtab.models import wrap

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python( title=[^\n]*)?\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
"""Title and code; those with a title take long."""


def after_running(blocks: list[str]) -> dict[str, Any]:
    """What these blocks define, run in one session."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    return names


@pytest.mark.slow
def test_the_whole_page_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = after_running([block for _, block in BLOCKS])
    assert (tmp_path / "checked.html").is_file()
    assert len(names["kept"].variants) > 5
    assert names["effects"].findings


def test_the_page_runs_without_the_blocks_that_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama", num_hidden_layers=30, max_position_embeddings=4096)  # as deep as the bundled one
    as_deep = tt.Model(wrap(model, tiny_tokenizer(CHAT_TEMPLATE), name="tiny"))
    monkeypatch.setattr(tt, "load", lambda **_: as_deep, raising=False)
    monkeypatch.chdir(tmp_path)
    assert 0 < sum(bool(title) for title, _ in BLOCKS) < len(BLOCKS) / 2
    names = after_running([block for title, block in BLOCKS if not title])
    assert {path.name for path in tmp_path.iterdir()} >= {"cosines.svg", "quality.png", "report.html", "report.md"}
    assert names["best"].held_out
    assert names["steered"] != names["plain"]
    assert len(names["moods"]) == 2
    assert names["weather"][0].meta == {"topic": "weather"}


def test_every_figure_is_on_the_page() -> None:
    assert PLOTS.markdown() in TEXT
