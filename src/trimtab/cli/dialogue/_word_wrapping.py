"""Lines of text from pieces of it: words are wrapped whole, while the text is still being written."""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size

_TOKEN = re.compile(r"\n|[^\S\n]+|\S+")


class WordWrapper:
    """Text in, lines out; the last line and the last word are held until they are complete."""

    def __init__(self, width: int, used: int = 0):
        """Wrap at a width, of which the first line has used some already."""
        self.width = max(1, width)
        self._used = used
        self._line = ""
        self._word = ""
        self._wrapped = False  # a break has taken the place of spaces, of which more may come

    def feed(self, piece: str) -> list[str]:
        """Take in a piece; returns the lines that are complete with it."""
        lines: list[str] = []
        tokens = _TOKEN.findall(self._word + piece)
        self._word = tokens.pop() if tokens and not tokens[-1].isspace() else ""
        for token in tokens:
            lines += self._placed(token)
        if cell_len(self._word) > self.width:  # a script without spaces, or a very long word
            broken, self._word = self._broken(self._word)
            lines += broken
        return lines

    def finish(self) -> list[str]:
        """The lines that are left; the wrapper is empty then."""
        lines = self._placed(self._word) if self._word else []
        lines += [self._line.rstrip()] if self._line.strip() else []
        self._line = self._word = ""
        return lines

    @property
    def pending(self) -> str:
        """What stands in the line that is not complete yet, without the last word."""
        return self._line

    def _placed(self, token: str) -> list[str]:
        """Put a word, a space or a line break behind the line; returns lines that end by it."""
        if self._wrapped and token.isspace() and token != "\n":
            return []
        self._wrapped = False
        if token == "\n":
            return [self._taken()]
        if self._used + cell_len(self._line) + cell_len(token) <= self.width:
            self._line += token
            return []
        if token.isspace():
            self._wrapped = True
            return [self._taken()]
        if cell_len(token) > self.width:
            lines, self._line = self._broken(token)
            return lines
        before = self._ended()
        self._line = token
        return before

    def _broken(self, word: str) -> tuple[list[str], str]:
        """Lines of a word that is wider than one, and the rest of it."""
        lines = self._ended()
        while cell_len(word) > self.width:
            head = set_cell_size(word, self.width).rstrip(" ") or word[0]
            lines.append(head)
            word = word[len(head) :]
        return lines, word

    def _ended(self) -> list[str]:
        """End the line, if anything stands in it."""
        is_begun = bool(self._line.strip()) or self._used > 0
        line = self._taken()
        return [line] if is_begun else []

    def _taken(self) -> str:
        line, self._line, self._used = self._line.rstrip(), "", 0
        return line
