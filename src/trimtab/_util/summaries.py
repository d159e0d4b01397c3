"""How an object introduces itself: one or two lines in a terminal, a small table in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field

_TABLE = "border-collapse:collapse;margin:0"
_CELL = "text-align:left;vertical-align:top;background:none;padding:.1em .8em .1em 0"


@dataclass(frozen=True)
class Summary:
    """What an object is."""

    facts: Mapping[str, str]
    """What a line of text says, in order; the keys are the row headings of the table."""
    below: tuple[str, ...] = ()
    """Sentences under them."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Rows of the table only."""


class Summarized:
    """Shows what `_summary` says. A subclass that is a dataclass is one with `repr=False`."""

    def _summary(self) -> Summary:
        raise NotImplementedError

    def __repr__(self) -> str:
        """The facts on a line, the first sentence below."""
        summary = self._summary()
        line = f"{type(self).__name__}({', '.join(summary.facts.values())})"
        return "\n".join([line, *summary.below[:1]])

    def _repr_html_(self) -> str:
        """The facts as a table, in the colors of the page around it."""
        summary = self._summary()
        rows = "".join(
            f'<tr style="background:none"><th style="{_CELL};font-weight:600">{html.escape(name)}</th>'
            f'<td style="{_CELL}">{html.escape(value)}</td></tr>'
            for name, value in {**summary.facts, **summary.more}.items()
        )
        below = "".join(f'<p style="margin:.2em 0">{html.escape(text)}</p>' for text in summary.below)
        title = html.escape(type(self).__name__)
        return f'<div><strong>{title}</strong><table style="{_TABLE}"><tbody>{rows}</tbody></table>{below}</div>'


def clipped(text: str, length: int) -> str:
    """A text on one line, cut after this many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
