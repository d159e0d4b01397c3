"""How a chat looks: replies in a terminal's width, compared ones in two columns where there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.cells import cell_len

from trimtab.cli.dialogue._word_wrapping import WordWrapper
from trimtab.inputs.characters import escaped
from trimtab.serve import Piece

COLUMNS_FOR_TWO = 100
"""From this width on, compared replies stand beside each other."""
_GAP = " │ "

Write = Callable[[str], None]


def show(pieces: Iterable[Piece], write: Write, columns: int) -> None:
    """Write what a chat answers, as it comes.

    Args:
        pieces: Of one line that was typed.
        write: Writes a text without a line break of its own.
        columns: Width of the terminal; 0: it is none, and nothing is wrapped.
    """
    view: _Flow | _Columns | None = None
    try:
        for piece in pieces:
            kind = piece.kind
            if kind == "notice":
                write(piece.text)
                continue
            if view is None:
                wide = kind == "unsteered" and columns >= COLUMNS_FOR_TWO
                view = _Columns(write, columns) if wide else _Flow(write, columns, compared=kind == "unsteered")
            view.take(kind, escaped(piece.text), last=piece.last)
    finally:
        if view is not None:
            view.finish()


class _Flow:
    """One reply, or one behind the other: the second waits until the first is complete."""

    def __init__(self, write: Write, columns: int, *, compared: bool):
        self._write, self._columns, self._compared = write, columns, compared
        self._waiting = ""
        self._begin("unsteered: " if compared else "")

    def take(self, kind: str, text: str, *, last: bool) -> None:
        if self._compared and kind == "reply":
            self._waiting += text
        else:
            self._put(text)

    def finish(self) -> None:
        if self._compared:
            self._end()
            self._begin("  steered: ")
            self._put(self._waiting)
        self._end()

    def _begin(self, title: str) -> None:
        self._write(title)
        self._wrapper = WordWrapper(self._columns, len(title)) if self._columns else None
        self._shown = 0

    def _put(self, text: str) -> None:
        """Write what is complete: lines, and words of the line that is begun."""
        if self._wrapper is None:
            self._write(text)
            return
        for line in self._wrapper.feed(text):
            self._write(line[self._shown :] + "\n")
            self._shown = 0
        begun = self._wrapper.pending.rstrip()
        if len(begun) > self._shown:
            self._write(begun[self._shown :])
            self._shown = len(begun)

    def _end(self) -> None:
        if self._wrapper is None:
            self._write("\n")
            return
        for line in self._wrapper.finish():
            self._write(line[self._shown :] + "\n")
            self._shown = 0


class _Columns:
    """Two replies beside each other, row by row: a row is written when both have it, or one has ended."""

    def __init__(self, write: Write, columns: int):
        self._width = (columns - len(_GAP)) // 2
        self._write = write
        self._sides = {"unsteered": WordWrapper(self._width), "reply": WordWrapper(self._width)}
        self._lines: dict[str, list[str]] = {"unsteered": [], "reply": []}
        self._ended: set[str] = set()
        self._row("unsteered", "steered")
        self._row("─" * self._width, "─" * self._width)

    def take(self, kind: str, text: str, *, last: bool) -> None:
        self._lines[kind] += self._sides[kind].feed(text)
        if last:
            self._lines[kind] += self._sides[kind].finish()
            self._ended.add(kind)
        while any(self._lines.values()) and all(lines or side in self._ended for side, lines in self._lines.items()):
            self._row(*(lines.pop(0) if lines else "" for lines in self._lines.values()))

    def finish(self) -> None:
        for kind in self._sides:
            self.take(kind, "", last=True)

    def _row(self, left: str, right: str) -> None:
        space = " " * (self._width - cell_len(left))
        self._write(f"{left}{space}{_GAP}{right}".rstrip() + "\n")
