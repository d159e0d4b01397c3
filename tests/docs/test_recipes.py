"""The recipes of docs/extending.md run as they stand."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import trimtab

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r'^```python title="(\w+)\.py"\n(.*?)^```', re.MULTILINE | re.DOTALL)
RECIPES = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
NEEDS_MODEL = {name for name, code in RECIPES.items() if "tt.load" in code or "run_study" in code}


def missing_module(code: str) -> str:
    """The first module of trimtab, or name in one, that a recipe imports and that is not there."""
    for module, names in re.findall(r"^from (trimtab[\w.]*) import ([\w, ]+)", code, re.MULTILINE):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            return str(module)
        for name in names.split(", "):
            if not hasattr(found, name.strip()):
                return f"{module}.{name.strip()}"
    return ""


def runs(name: str, folder: Path) -> None:
    """Run a recipe in a process of its own, as what it registers stays registered."""
    assert not missing_module(RECIPES[name])
    script = folder / f"{name}.py"
    script.write_text(RECIPES[name], encoding="utf-8")
    done = subprocess.run([sys.executable, script.name], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(set(RECIPES) - NEEDS_MODEL))
def test_recipes_run(name: str, tmp_path: Path) -> None:
    runs(name, tmp_path)


@pytest.mark.bundled
@pytest.mark.parametrize("name", sorted(NEEDS_MODEL))
def test_recipes_with_the_bundled_model_run(name: str, tmp_path: Path) -> None:
    runs(name, tmp_path)


def test_every_registry_has_a_recipe_and_each_recipe_checks_what_it_shows() -> None:
    assert set(RECIPES) == {
        "aggregation", "scale", "engine", "judge", "format", "vector_format", "vector_export", "measure",
        "measure_report", "chart", "study_key", "verb", "trained",
    }  # fmt: skip
    assert all("assert " in code for name, code in RECIPES.items() if name != "verb")


def test_the_entry_points_of_the_page_are_groups_of_registries() -> None:
    groups = set(re.findall(r"`(trimtab\.\w+)`", PAGE.read_text(encoding="utf-8").split("## Aggregation")[0]))
    source = Path(trimtab.__file__).parent
    there = {
        group
        for file in source.rglob("*.py")
        for group in re.findall(r'Registry\(\s*"[^"]+",\s*"(trimtab\.\w+)"', file.read_text(encoding="utf-8"))
    }
    assert there <= groups
