"""The words of docs/glossary.md that trimtab does not use, and where they still occur.

python tests/docs/wordlist.py     # every occurrence: place, word, what to write instead
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trimtab"
GLOSSARY = ROOT / "docs" / "glossary.md"
IN_TEXT, IN_CODE = "### In text", "### In code"


class Stray(NamedTuple):
    """One occurrence of a word that is not used."""

    place: str
    word: str
    instead: str


@cache
def words(section: str) -> dict[str, str]:
    """Word and replacement of every row of one table of the glossary."""
    text = GLOSSARY.read_text(encoding="utf-8").split(section)[1].split("\n### ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")][2:]
    return {word.strip(" `"): instead.strip() for names, instead in rows for word in names.split(",")}


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(map(re.escape, words(IN_TEXT)))})\b", re.IGNORECASE)


def strays_in(text: str, place: str) -> list[Stray]:
    """Words of a text that are not used, each with its line."""
    return [
        Stray(f"{place}:{text.count(chr(10), 0, match.start()) + 1}", match[0], words(IN_TEXT)[match[0].lower()])
        for match in _pattern().finditer(text)
    ]


def prose(markdown: str) -> str:
    """A Markdown page without its code, line for line; what is between backticks or beside a picture is quoted.

    Pictures of tutorials carry the figure's own description, whose verdicts are names: "12 kept".
    """
    blanked = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"!\[[^\]\n]*\]", "![…]", re.sub(r"`[^`\n]*`", "`…`", blanked))


def strays_in_page(page: Path) -> list[Stray]:
    """Words of a page that are not used; of the glossary, all but the tables of these words."""
    text = page.read_text(encoding="utf-8")
    if page == GLOSSARY:
        text = text.split(IN_TEXT)[0]
    return strays_in(prose(text), page.name)


def _name(file: Path) -> str:
    return str(file.relative_to(SOURCE)) if file.is_relative_to(SOURCE) else file.name


def strays_in_docstrings(file: Path) -> list[Stray]:
    """Words in the docstrings of a module, attribute docstrings included."""
    name = _name(file)
    return [
        Stray(f"{name}:{node.lineno}", stray.word, stray.instead)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for stray in strays_in(prose(node.value.value), name)
    ]


def identifiers(file: Path) -> Iterator[tuple[int, str]]:
    """(line, name) of the module itself and of all that it defines: functions, classes, parameters, variables."""
    yield 1, file.stem
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def strays_in_identifiers(file: Path) -> list[Stray]:
    """Names that are, or whose words are, among those that were replaced.

    A name in capitals is looked for as one of the words of a constant (`MOST` in `_MOST_SECONDS`), others as a whole
    (`door`, but not `indoors`).
    """
    found = []
    for line, name in identifiers(file):
        parts = {name.strip("_"), *(name.split("_") if name.isupper() else ())}
        for word in sorted(parts & set(words(IN_CODE))):
            found.append(Stray(f"{_name(file)}:{line} {name}", word, words(IN_CODE)[word]))
    return found


def main() -> None:
    """Print every occurrence, and counts by package."""
    pages = [stray for page in sorted((ROOT / "docs").glob("*.md")) for stray in strays_in_page(page)]
    files = sorted(SOURCE.rglob("*.py"))
    docstrings = [stray for file in files for stray in strays_in_docstrings(file)]
    names = [stray for file in files for stray in strays_in_identifiers(file)]
    for title, found in (("docs", pages), ("docstrings", docstrings), ("identifiers", names)):
        print(f"\n{title}: {len(found)}")
        for stray in found:
            print(f"  {stray.place}: {stray.word} -> {stray.instead}")


if __name__ == "__main__":
    main()
