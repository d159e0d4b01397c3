"""The examples run: scripts with small settings, and the notebook cell by cell."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for name in {file.stem for file in EXAMPLES.glob("*.py")} & (set(sys.modules) - before):
        del sys.modules[name]


def code_cells(notebook: Path) -> list[str]:
    """The sources of a notebook's code cells, which are plain Python here."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


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


@pytest.mark.bundled
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_from_top_to_bottom(notebook: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(code_cells(notebook)):
        exec(compile(source, f"{notebook.name}, cell {number}", "exec"), names)


def test_there_are_notebooks_and_they_hold_no_outputs() -> None:
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
        for source in code_cells(notebook):
            ast.parse(source)
