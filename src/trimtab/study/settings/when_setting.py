"""The study key `when`: the condition on the prompt under which texts are pushed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from trimtab.inputs.bounded_files import expand_user
from trimtab.monitors import PromptCondition
from trimtab.study.settings.identity import NO_NUMBERS, SHAPES, Marked


class When(Marked):
    """Push only texts whose prompt a monitor scores above a threshold, decided once on each prompt."""

    monitor: Annotated[str, NO_NUMBERS] = Field(min_length=1)
    """File of the monitor, from `trimtab monitor fit`. A run is identified by what is in it."""
    above: Annotated[float, SHAPES] = Field(default=0.5, gt=0, lt=1)
    """The probability above which a prompt lets the push through."""
    reads: Annotated[Literal["mean", "last"], SHAPES] = "mean"
    """What of the prompt is scored: the mean state of its tokens, or the state of its last one."""

    def condition(self, folder: Path) -> PromptCondition:
        """The condition itself; the same object while the file is the same.

        Args:
            folder: That a relative path of the monitor begins at.

        Raises:
            VectorError: When the file is missing or damaged.
        """
        return PromptCondition.of_file(folder / expand_user(self.monitor), self.above, self.reads)

    def in_words(self) -> str:
        """In words, behind what is pushed."""
        return f"{self.monitor} above {self.above}" + (", by its last state" if self.reads == "last" else "")
