"""The tutorials: their pages are made from the cells as they are, and the notebooks run from top to bottom."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import trimtab as tt
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.models import wrap

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
SMALL: dict[str, dict[str, Any]] = {
    "first-vector": {"PAIRS": 24, "LAYERS": [14, 17], "PROMPTS": 4, "TOKENS": 6},
    "is-it-real": {"PAIRS": 24, "LAYERS": [14], "PROMPTS": 4, "RANDOM": 2, "FEW": 4},
    "persona": {"PAIRS": 24, "LAYERS": [17], "STRENGTHS": [0.2], "PROMPTS": 2, "TOKENS": 6},
    "reproduce": {"PAIRS": 24, "LAYERS": [14, 17], "MULTIPLIERS": [-1, -0.5, 0.5, 1], "PROMPTS": 4},
}
"""What takes the place of the values in the cell tagged `parameters`."""
FIGURE = re.compile(r"[\w\"\[\]-]+\.plot\([^)]*\)")
"""A cell that is nothing but a figure."""
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


def run(name: str, folder: Path, *, figures: bool = True) -> None:
    """Run the cells of a notebook in a folder, with the values of `SMALL` for its parameters.

    Args:
        name: Of the notebook.
        folder: The working directory.
        figures: Whether each cell that is nothing but a figure must have something to draw.
    """
    for file in BUILD.DATA:
        shutil.copy(FOLDER / file, folder)
    names: dict[str, Any] = ModuleType("__main__").__dict__
    replaced = 0
    for number, cell in enumerate(BUILD.read(name)["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            continue
        try:
            exec(compile(source, f"{name}.ipynb, cell {number}", "exec"), names)
        except tt.TrimtabError as error:
            if figures or "nothing to draw" not in str(error) or not FIGURE.fullmatch(source.strip()):
                raise
        if "parameters" in cell["metadata"].get("tags", ()):
            assert assigned(source) == set(SMALL[name])
            names.update(SMALL[name])
            replaced += 1
    assert replaced == 1


@pytest.fixture(scope="module")
def as_deep() -> tt.Model:
    """A tiny random model with as many layers as the bundled one."""
    model = tiny_model("llama", num_hidden_layers=30, max_position_embeddings=4096)
    return tt.Model(wrap(model, tiny_tokenizer(CHAT_TEMPLATE), name="tiny"))


@names_of_tutorials
def test_notebooks_run_from_top_to_bottom(
    name: str, as_deep: tt.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tt, "load", lambda **_: as_deep, raising=False)
    run(name, tmp_path, figures=False)  # a random model may have no effect to draw


@pytest.mark.slow
@pytest.mark.timeout(1800)
@names_of_tutorials
def test_notebooks_run_with_the_bundled_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(name, tmp_path)
