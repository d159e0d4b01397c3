"""How long pieces of work take: by measured passes of a model, or by the data sheet of a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trimtab.study.measures.work import ReadExamples, ReadPairs, ReadTexts, ScoreRows, TrainVectors, Work
from trimtab.study.plan._counted_writing import CountedWriting
from trimtab.study.plan._counting import Counted
from trimtab.study.plan.accelerators import Accelerator

WRITTEN_SHARE = 0.6
"""Share of `max_new_tokens` that replies take at the lower end of an estimate: many end before their limit."""
FIXED_SECONDS = {"replies": 4.0, "diagnosis": 4.0}
"""What measures take beside the model, on one core: training and checking a classifier, resampling pairs."""
REPORT_SECONDS = 10.0
"""What writing a report takes, likewise."""


@dataclass(frozen=True)
class Pace:
    """Seconds that one model takes for each kind of work."""

    load: float
    score: float
    """A token of rows that are scored, through the whole model."""
    capture: float
    """A token of pairs whose states are read."""
    read: float
    """A token of a text that is read in cells, where every token is unembedded."""
    reread: float
    """A token of a text that only the unsteered model reads."""
    prompt: float
    """A token of a prompt before what is written."""
    step: float
    """One token of every reply at hand, whatever their number."""
    row: float
    """What each of these replies adds to that."""
    least_step: float = 0.0
    """What one token of every reply takes at least."""
    fixed: float = 1.0
    """Whether what is no work of the model is counted: 1, or 0 on a GPU's data sheet."""
    assumed: str = ""
    """What the estimate rests on, for people; empty where it was measured on the model itself."""

    def seconds(self, work: Work, counted: Counted) -> float:
        """A piece of work, if no reply ends early."""
        if isinstance(work, ScoreRows):
            return counted.tokens * self.score
        if isinstance(work, ReadPairs | ReadExamples):
            return counted.tokens * self.capture
        if isinstance(work, ReadTexts | TrainVectors):
            return counted.tokens * self.read
        assert counted.writing is not None
        return self._writing(counted.writing)

    def early(self, work: Work, counted: Counted) -> float:
        """Seconds that replies save where they end early."""
        if counted.writing is None:
            return 0.0
        return (self._writing(counted.writing) - counted.writing.prompt_tokens * self.prompt) * (1 - WRITTEN_SHARE)

    @staticmethod
    def early_share(counted: Counted) -> float:
        """Share of reading streamed weights that is saved where replies end early."""
        return 0.0 if counted.writing is None else 1 - WRITTEN_SHARE

    def _writing(self, writing: CountedWriting) -> float:
        together = writing.side_by_side
        step = max(self.step + together * self.row, self.least_step)
        return writing.prompt_tokens * self.prompt + writing.steps * step + writing.read_tokens * self.reread


UNKNOWN = Pace(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
"""Of a model whose speed is not known, as vLLM's is not."""


def data_sheet_pace(gpu: Accelerator, active_parameters: int, weight_bytes: int) -> Pace:
    """By the operations and bytes a second that a GPU is planned with; without loading the weights."""
    token = 2 * active_parameters / gpu.flops
    return Pace(
        load=0.0, score=token, capture=token, read=token, reread=token, prompt=token, step=0.0, row=token,
        least_step=weight_bytes / gpu.bytes_per_second, fixed=0.0,
    )  # fmt: skip
