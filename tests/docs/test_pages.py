"""The pages of the docs: all in the navigation, a reference page for every package, files that are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

import trimtab

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = Path(trimtab.__file__).parent
FILE = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py)`")


def pages_of(navigation: list[Any]) -> list[str]:
    """Every page of the navigation, sections included."""
    found: list[str] = []
    for entry in navigation:
        for target in entry.values():
            found += pages_of(target) if isinstance(target, list) else [target]
    return found


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    there = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    assert sorted(pages_of(navigation)) == sorted(there)


def test_every_package_with_public_names_has_a_page_in_the_reference() -> None:
    offering = {
        folder.name
        for folder in SOURCE.iterdir()
        if (folder / "__init__.py").is_file() and "__all__" in (folder / "__init__.py").read_text(encoding="utf-8")
    }
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md")}
    assert "\n::: trimtab\n" in pages.pop("index")
    assert offering == set(pages)
    assert all(f"\n::: trimtab.{name}\n" in text for name, text in pages.items())


def missing_files(page: Path) -> list[str]:
    """Files of the source or the tests that a page names and that are not there."""
    named = FILE.findall(page.read_text(encoding="utf-8"))
    return [name for name in named if not (SOURCE / name).is_file() and not (ROOT / name).is_file()]


def test_files_that_the_architecture_page_names_are_there() -> None:
    assert not missing_files(DOCS / "architecture.md")


def test_files_that_the_page_of_recipes_names_are_there() -> None:
    assert not missing_files(DOCS / "extending.md")


def test_missing_files_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`vectors/extraction.py`, `tests/test_imports.py`, `vectors/nowhere.py`, `base.py`")
    assert missing_files(page) == ["vectors/nowhere.py"]
