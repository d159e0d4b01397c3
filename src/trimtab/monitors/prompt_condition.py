"""A condition on the prompt under which texts are pushed: a saved monitor, a threshold, what of the prompt is read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import Text
from trimtab.monitors.monitor import Monitor
from trimtab.steering import PromptGate
from trimtab.steering.gates import require_readable

PromptRead = Literal["mean", "last"]
READS: tuple[PromptRead, ...] = get_args(PromptRead)
"""What of a prompt is scored: the mean state of its tokens, or the state of its last one."""


@dataclass(frozen=True, eq=False)
class PromptCondition:
    """Decided for each text, on its whole prompt as the unsteered model reads it (arXiv 2409.05907)."""

    monitor: Monitor
    file: Path
    threshold: float
    read: PromptRead
    gate: PromptGate

    @classmethod
    def of_monitor(
        cls, monitor: Monitor, file: Path, threshold: float = 0.5, read: PromptRead = "mean"
    ) -> PromptCondition:
        """The condition that a monitor scores the prompt above a threshold.

        Raises:
            SettingError: for a threshold that is not strictly between 0 and 1.
        """
        return cls(monitor, file, threshold, read, monitor.prompt_gate(threshold, read=read))

    @classmethod
    def of_file(cls, file: Path, threshold: float = 0.5, read: PromptRead = "mean") -> PromptCondition:
        """Read a monitor that `trimtab monitor fit` wrote; the same object while the file is the same.

        Raises:
            VectorError: when the file is missing or damaged.
            SettingError: for a threshold that is not strictly between 0 and 1.
        """
        try:
            found = file.stat()
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
        except (OSError, ValueError):
            return cls.of_monitor(Monitor.load(file), file, threshold, read)  # which says what is wrong
        return _read(file, state, threshold, read)

    def require_fit(self, model: Model) -> None:
        """Refuse a model of another shape; warn about one with other weights.

        Raises:
            VectorError: when number of layers or width differ.
        """
        self.monitor.require_fit(model)

    def holds(self, model: Model, asked: Sequence[Message]) -> bool:
        """Whether the reply to a conversation will be pushed.

        Raises:
            SettingError: when the engine does not give the states of a prompt.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrimtabWarning)  # that it is shut for the one prompt is no surprise here
            (opened,) = model.opened(self.gate, [asked])
        return opened

    def opened(self, model: Model, prompts: Sequence[tuple[int, ...]]) -> list[bool]:
        """At which prompts, given as tokens, it holds.

        Raises:
            SettingError: for a prompt of one token.
        """
        every = list(dict.fromkeys(prompts))
        for prompt in every:
            require_readable(prompt)
        texts = [Text(prompt, 1) for prompt in every]
        found = {every[i]: self.gate.opens(states[:, 0]) for i, states in model.states(texts, [self.gate.layer])}
        return [found[prompt] for prompt in prompts]

    def __str__(self) -> str:
        """In words, behind what is pushed."""
        return str(self.gate)

    def setting(self) -> dict[str, Any]:
        """As checks and studies take it: their `when`.

        Raises:
            SettingError: when its file holds another monitor by now.
            VectorError: when its file is missing or damaged.
        """
        now = PromptCondition.of_file(self.file, self.threshold, self.read)
        if now.gate.content_hash != self.gate.content_hash:
            raise SettingError(
                f"{self.file}: holds another monitor by now than this condition; save the former one elsewhere "
                "(`condition.monitor.save(FILE)`), and give that file as `when`"
            )
        return {"monitor": str(self.file), "above": self.threshold, "reads": self.read}

    @property
    def values(self) -> dict[str, Any]:
        """As plain values."""
        return {"monitor": str(self.file), "layer": self.gate.layer, "threshold": self.threshold, "read": self.read}


@lru_cache(maxsize=8)
def _read(file: Path, state: tuple[int, int, int], threshold: float, read: PromptRead) -> PromptCondition:
    return PromptCondition.of_monitor(Monitor.load(file), file, threshold, read)
