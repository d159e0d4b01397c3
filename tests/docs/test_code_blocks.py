"""Code on the pages: Python compiles and uses names that are there, study files have keys that are read."""

from __future__ import annotations

import ast
import importlib

import pytest
import yaml
from documented_commands import PAGES, ROOT, blocks

import trimtab
from trimtab.study import Study, make_study

RUN_ELSEWHERE = {"docs/python.md", "docs/extending.md"}
"""Pages whose Python the tests run as it stands."""
KEYS = set(Study.model_fields)


def shown(language: str) -> list[tuple[str, str]]:
    """Page and code of every block in a language."""
    found = [
        (str(page.relative_to(ROOT)), block) for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))
    ]
    return [(page, code) for page, (kind, code) in found if kind == language]


def missing(code: str) -> list[str]:
    """Names of trimtab that a piece of code imports, or reads from `tt`, and that are not there."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trimtab"):
            module = importlib.import_module(str(node.module))
            found += [f"{node.module}.{a.name}" for a in node.names if not hasattr(module, a.name)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tt":
            found += [] if hasattr(trimtab, node.attr) else [f"tt.{node.attr}"]
    return found


PYTHON = [(page, code) for page, code in shown("python") if page not in RUN_ELSEWHERE]
YAML = [(page, code) for page, code in shown("yaml")]


@pytest.mark.parametrize(("page", "code"), PYTHON, ids=[f"{page}-{n}" for n, (page, _) in enumerate(PYTHON)])
def test_python_compiles_and_uses_names_that_are_there(page: str, code: str) -> None:
    compile(code, page, "exec")
    assert missing(code) == []


def test_there_is_python_on_several_pages() -> None:
    assert len({page for page, _ in PYTHON}) > 4


def test_missing_names_are_found() -> None:
    code = "import trimtab as tt\nfrom trimtab.judges import JUDGES, Nobody\ntt.load().x\ntt.lode()"
    assert missing(code) == ["trimtab.judges.Nobody", "tt.lode"]


@pytest.mark.parametrize(("page", "code"), YAML, ids=[f"{page}-{n}" for n, (page, _) in enumerate(YAML)])
def test_study_files_are_read_and_parts_of_them_have_keys_that_are(page: str, code: str) -> None:
    content = yaml.safe_load(code)
    if not isinstance(content, dict) or not set(content) & KEYS:
        return
    assert set(content) <= KEYS
    if "behaviors" in content:
        assert make_study(content, page).behaviors
