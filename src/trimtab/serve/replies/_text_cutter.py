"""What of a growing text may be shown: nothing of a stop text or behind it, no space at the ends of a reply."""

from __future__ import annotations

from collections.abc import Sequence


class TextCutter:
    """Takes a text piece by piece and gives back what is certain.

    The end of what has come may be the beginning of a stop text: it waits until the next piece decides. So does white
    space where the reply is trimmed, as `Model.generate` trims it.

    Args:
        stops: stop texts.
        trim: whether space at the end is dropped, and at the beginning.
        continues: whether the text continues another one, so that space at its beginning stays.
    """

    def __init__(self, stops: Sequence[str], *, trim: bool, continues: bool = False):
        self._stops = stops
        self._trim = trim
        self._waiting = ""
        self._began = continues or not trim
        self.stopped = False
        """Whether a stop text has come: nothing behind it is shown."""

    def add(self, piece: str) -> str:
        """What can be shown now."""
        if self.stopped:
            return ""
        self._waiting += piece
        places = [place for stop in self._stops if (place := self._waiting.find(stop)) >= 0]
        if places:
            self.stopped = True
            return self._shown(min(places), last=True)
        return self._shown(len(self._waiting) - self._begun_stop(), last=False)

    def finish(self) -> str:
        """The rest, when the text has ended."""
        return "" if self.stopped else self._shown(len(self._waiting), last=True)

    def _begun_stop(self) -> int:
        """Characters at the end that a stop text may begin with."""
        longest = 0
        for stop in self._stops:
            for size in range(min(len(stop) - 1, len(self._waiting)), longest, -1):
                if self._waiting.endswith(stop[:size]):
                    longest = size
                    break
        return longest

    def _shown(self, end: int, *, last: bool) -> str:
        text, rest = self._waiting[:end], self._waiting[end:]
        if not self._began:
            text = text.lstrip()
            self._began = bool(text)
        if self._trim:
            shown = text.rstrip()
            rest = ("" if last or not self._began else text[len(shown) :]) + rest
            text = shown
        self._waiting = "" if last else rest
        return text
