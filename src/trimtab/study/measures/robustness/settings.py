"""Settings of robustness."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.identity import ADDS


class Robustness(MeasureSettings):
    """Measure how well the effect holds under paraphrases, system prompts, option orders and other pairs."""

    prompts: Annotated[int | None, ADDS] = Field(default=None, ge=4)
    """How many of the test prompts; all by default."""
    transfer: Annotated[tuple[str, ...], ADDS] = ()
    """Other pairs that the same vector should move, such as items by other people: a built-in name or a file."""
    translations: Annotated[bool, ADDS] = True
    """Ask built-in behaviors in the other languages that they come in, too."""
