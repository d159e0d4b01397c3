"""A condition on the prompt under which a chat pushes: a saved monitor, a threshold, and what of the prompt is read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import TrimtabWarning
from trimtab.monitors import Monitor
from trimtab.steering import PromptGate

READS = ("mean", "last")
"""What of a prompt is scored: the mean state of its tokens, or the state of its last one."""


@dataclass(frozen=True, eq=False)
class PromptCondition:
    """Decided anew for each reply, on the whole prompt as the unsteered model reads it (arXiv 2409.05907)."""

    monitor: Monitor
    file: Path
    threshold: float
    read: Literal["mean", "last"]
    gate: PromptGate

    @classmethod
    def of_file(
        cls, file: Path, model: Model, threshold: float = 0.5, read: Literal["mean", "last"] = "mean"
    ) -> PromptCondition:
        """Read a monitor that `trimtab monitor fit` wrote.

        Raises:
            VectorError: when the file is damaged, or the monitor is for a model of another shape.
            SettingError: for a threshold that is not strictly between 0 and 1.
        """
        monitor = Monitor.load(file)
        monitor.require_fit(model)
        return cls(monitor, file, threshold, read, monitor.prompt_gate(threshold, read=read))

    def holds(self, model: Model, asked: list[Message]) -> bool:
        """Whether the next reply will be pushed.

        Raises:
            SettingError: when the engine does not give the states of a prompt.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrimtabWarning)  # that it is shut for the one prompt is no surprise here
            (opened,) = model.opened(self.gate, [asked])
        return opened

    def __str__(self) -> str:
        """In words, behind what is pushed."""
        read = "its mean state" if self.read == "mean" else "its last state"
        behavior = self.monitor.provenance.behavior
        return f"only where the prompt scores above {self.threshold:g} for {behavior} ({read}, layer {self.gate.layer})"

    @property
    def values(self) -> dict[str, Any]:
        """As plain values."""
        return {"monitor": str(self.file), "layer": self.gate.layer, "threshold": self.threshold, "read": self.read}
