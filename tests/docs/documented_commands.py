"""The commands that the docs show: what stands in code blocks, and what sentences name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "bench" / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "api"),
]
SHELL = ("", "bash", "sh", "shell", "console")
"""Languages of blocks that hold commands; output is in `text`."""

_BLOCK = re.compile(r"^( *)(```+)([\w-]*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_COMMENT = re.compile(r"\s#\s.*$")
_OPTIONAL = re.compile(r"(?<=\s)\[([^\[\]]*)\]")


class Shown(NamedTuple):
    """One command of one page."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of every code block, without the indent of a list or a note."""
    for indent, _, language, body in _BLOCK.findall(text):
        yield language, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of every command in the code blocks of a page.

    What stands in [ ] may be left out: such a line is two commands, with and without. `;` and `&&` part commands, a
    comment ends one, `\\` continues it on the next line, and where output is sent to a file it is cut off.
    """
    for language, body in blocks(text):
        if language not in SHELL:
            continue
        for line in re.sub(r"\\\n\s*", " ", body).splitlines():
            for part in re.split(r" ; | && ", _COMMENT.sub("", line).strip().removeprefix("$ ")):
                command = part.partition(" > ")[0].strip()
                for variant in dict.fromkeys((_OPTIONAL.sub(r"\1", command), _OPTIONAL.sub("", command))):
                    words = _split(variant)
                    if words:
                        yield words


def _split(line: str) -> list[str]:
    """Words of a line, without environment variables in front; none of what is no command (a drawing, a sentence)."""
    try:
        words = [word for word in shlex.split(line) if word != "…"]
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    if words and words[0].startswith((".venv/bin/", ".venv-vllm/bin/")):
        words[0] = words[0].rpartition("/")[2]
    return words


def shown(program: str) -> list[Shown]:
    """Every command of one program in the code blocks of all pages, each once a page."""
    found = {
        Shown(str(page.relative_to(ROOT)), tuple(words[1:]))
        for page in PAGES
        for words in commands_in(page.read_text(encoding="utf-8"))
        if words[0] == program
    }
    return sorted(found)


def named(program: str) -> list[Shown]:
    """Every mention of a command between backticks; it may lack arguments, as a sentence names what it is about."""
    found = set()
    for page in PAGES:
        text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
        for span in _SPAN.findall(text):
            words = _split(_OPTIONAL.sub(r"\1", span))
            if words and words[0] == program and len(words) > 1:
                found.add(Shown(str(page.relative_to(ROOT)), tuple(words[1:])))
    return sorted(found)
