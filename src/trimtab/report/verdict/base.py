"""A verdict, ready to be put on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.report.charts import Chart
from trimtab.report.section import Example

Tone = Literal["good", "none", "care"]
"""good: shown, or harmless. none: not shown, or not measured. care: look at it before you use the setting."""


MAX_WHOLE = 3
"""More verdicts than this stand in a table, with one of them shown whole."""


@dataclass(frozen=True)
class Tile:
    """One answer that a reader looks for first."""

    heading: str
    value: str
    """The answer, in a few words."""
    notes: Sequence[str]
    """What it rests on, a line each."""
    tone: Tone = "none"


@dataclass(frozen=True)
class Verdict:
    """Whether steering works for one behavior in one model."""

    title: str
    """The behavior and the model, and what else sets it apart from other verdicts."""
    behavior: str
    model: str
    """With run and engine where these differ."""
    size: str
    """The change that the verdict rests on, with its interval."""
    judged: bool
    """Whether it rests on judged replies; else on scores."""
    word: str
    """The outcome in a word or two."""
    tone: Tone
    sentence: str
    tiles: Sequence[Tile]
    """Does it work, which setting to use, what it costs."""
    reason: str = ""
    """Why the layer that scores chose and the one that replies chose differ; "" where they do not."""
    chart: Chart | None = None
    """The effect by layer."""
    example: Example | None = None
    """One prompt, answered unsteered and steered."""
    command: str = ""
    """What to type to try the setting; "" where there is none to use."""
