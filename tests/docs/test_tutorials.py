"""The tutorials: their pages are made from the cells as they are, and the notebooks run from top to bottom."""

from __future__ import annotations

import ast
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
SMALL: dict[str, dict[str, Any]] = {
    "first-vector": {"PAIRS": 24, "LAYERS": [14, 17], "PROMPTS": 4, "TOKENS": 6},
    "is-it-real": {"PAIRS": 24, "LAYERS": [14], "PROMPTS": 4, "RANDOM": 2, "FEW": 4},
    "persona": {"PAIRS": 24, "LAYERS": [17], "STRENGTHS": [0.2], "PROMPTS": 2, "TOKENS": 6},
    "reproduce": {"PAIRS": 24, "LAYERS": [14, 17], "MULTIPLIERS": [-1, -0.5, 0.5, 1], "PROMPTS": 4},
}
"""What takes the place of the values in the cell tagged `parameters`."""
names_of_tutorials = pytest.mark.parametrize("name", SMALL)


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutorials_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = _build()


def page_text(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def assigned(source: str) -> set[str]:
    """The names that a cell assigns."""
    names = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def test_every_notebook_is_a_tutorial_that_is_built_and_run() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(BUILD.NAMES) == set(SMALL)
    assert {path.stem for path in FOLDER.glob("*.md")} == set(SMALL)


@names_of_tutorials
def test_a_page_has_the_cells_of_its_notebook(name: str) -> None:
    assert BUILD.without_outputs(page_text(name)) == BUILD.without_outputs(BUILD.page(name, BUILD.read(name)))


def test_a_page_of_other_cells_is_stale() -> None:
    notebook = BUILD.read("first-vector")
    notebook["cells"][-1]["source"].append("\nOne sentence more.")
    changed = BUILD.without_outputs(BUILD.page("first-vector", notebook))
    assert BUILD.without_outputs(page_text("first-vector")) != changed


@names_of_tutorials
def test_notebooks_are_stored_without_outputs(name: str) -> None:
    stored = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert stored == BUILD.stored_text(BUILD.read(name))


@names_of_tutorials
def test_pages_show_outputs_and_figures_and_nothing_of_the_machine(name: str) -> None:
    text = page_text(name)
    figures = {path.name for path in (FOLDER / "images").glob(f"{name}-*.svg")}
    assert text.count(BUILD.BEGIN) > 5
    assert figures
    assert all(f"](images/{figure})" in text for figure in figures)
    assert text.count("](images/") == len(figures)
    assert "The outputs are those of trimtab " in text
    assert not [word for word in ("site-packages", "/home/", "/tmp/", "src/trimtab", "Traceback") if word in text]


@pytest.mark.bundled
@names_of_tutorials
def test_notebooks_run_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in BUILD.DATA:
        shutil.copy(FOLDER / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    module = ModuleType("__main__")
    cells = [cell for cell in BUILD.read(name)["cells"] if cell["cell_type"] == "code"]
    replaced = 0
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        exec(compile(source, f"{name}.ipynb, cell {number}", "exec"), module.__dict__)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert assigned(source) == set(SMALL[name])
            module.__dict__.update(SMALL[name])
            replaced += 1
    assert replaced == 1
