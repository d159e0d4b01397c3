"""The plan of a study: what was counted, and its text."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab._util.durations import duration_range
from trimtab._util.wording import plural
from trimtab.llm import CHARACTERS_PER_TOKEN
from trimtab.study.plan._counted_writing import CountedWriting
from trimtab.study.plan._counting import Counted
from trimtab.study.plan._estimates import TOKEN_RULE
from trimtab.study.plan._pace import REPORT_SECONDS
from trimtab.study.plan._planned_streams import PlannedStreams, size_of
from trimtab.study.plan.accelerators import UTILISATION, Accelerator
from trimtab.study.step_names import REPORT, TimedStep

_BYTES_PER_SAMPLE = 12
LOW, HIGH = 0.85, 1.2
"""The ends of the range in which a time is given, as parts of what was estimated."""


@dataclass(frozen=True)
class PlannedMeasure:
    """One measure of one behavior, counted."""

    what: str
    """Its label."""
    pieces: tuple[Counted, ...]
    uncounted: tuple[str, ...] = ()
    """What is run and in no sum."""

    @property
    def writing(self) -> CountedWriting | None:
        """The replies of a measure that only generates some; None for any other."""
        return self.pieces[0].writing if len(self.pieces) == 1 else None

    @property
    def scored(self) -> int:
        """Scores: rows times cells, the unsteered one among them."""
        return sum(piece.scores for piece in self.pieces)

    @property
    def tokens(self) -> int:
        """Tokens through the whole model, if no reply ends early."""
        return sum(piece.tokens for piece in self.pieces)

    def lines(self) -> list[str]:
        """For people."""
        if self.writing is not None:
            return self.writing.lines(self.what)
        read = sum(piece.rows for piece in self.pieces)
        what = plural(self.scored, "score") if self.scored or not read else plural(read, "text")
        beyond = [f"      not counted: {text}" for text in self.uncounted]
        return [f"    {self.what}: {what}, {plural(self.tokens, 'token')}", *beyond]


@dataclass(frozen=True)
class Step:
    """One behavior in one model, counted."""

    behavior: str
    scoring: str
    unscored: str
    """By what it is measured where it has no pairs to score, and what is left out then; empty where it has."""
    note: str
    """Where the pairs are estimates."""
    pairs: int
    """Rows of the extraction; a choice pair in both orders is two."""
    prompts: int
    """Rows of the sweep."""
    cells: int
    passes: int
    """Forward passes, extraction and sweep; or requests."""
    tokens: int
    """Tokens through the whole model that the passes are worth: a step of the staircase counts its own layers only."""
    naive_tokens: int
    """The same for a loop that runs every cell of every prompt on its own."""
    kept_tokens: int
    """Tokens whose keys and values are held for the whole sweep."""
    samples: int
    measures: tuple[PlannedMeasure, ...] = ()
    """What is measured beside the sweep."""
    judging: tuple[str, ...] = ()
    """What judges that cost anything would cost at most."""
    by_requests: bool = False
    """Whether every cell of every text is a request of its own, as with vLLM."""
    training: str = ""
    """What is trained, for people; its passes and tokens are in the sums."""
    gradient_bytes: int = 0
    """What the training holds at once for its backward passes, and of the unsteered model's states."""

    @property
    def written(self) -> tuple[CountedWriting, ...]:
        """Replies of the measures that only generate some."""
        return tuple(writing for measure in self.measures if (writing := measure.writing) is not None)

    @property
    def checks(self) -> tuple[PlannedMeasure, ...]:
        """The other measures."""
        return tuple(measure for measure in self.measures if measure.writing is None)

    @property
    def held_tokens(self) -> int:
        """Tokens whose keys and values are held at once; replies are generated after the sweep."""
        return max(self.kept_tokens, *(writing.kept_tokens for writing in self.written), 0)

    @property
    def disk_bytes(self) -> int:
        """Samples, and replies if none ends early."""
        generated = sum(writing.generated for writing in self.written)
        scores = self.samples + sum(check.scored for check in self.checks)
        return scores * _BYTES_PER_SAMPLE + generated * CHARACTERS_PER_TOKEN

    def lines(self) -> list[str]:
        """For people."""
        if self.by_requests:
            kind, tokens = "requests", f"at most {self.tokens:,} tokens, texts that begin alike not counted as shared"
        else:
            kind = "forward passes"
            tokens = (
                f"{self.tokens:,} tokens (one cell at a time {self.naive_tokens:,}, "
                f"{self.naive_tokens / max(1, self.tokens):.1f} times as many)"
            )
        sweep = f", sweep {self.prompts:,} rows × {self.cells:,} cells and the unsteered one"
        return [
            f"  {self.behavior}: {self.unscored}" if self.unscored else f"  {self.behavior}, scored by {self.scoring}",
            f"    extraction {self.pairs:,} rows{'' if self.unscored else sweep}: {self.passes:,} {kind}",
            f"    {self.tokens:,} tokens" if self.unscored else f"    {tokens}, {self.samples:,} samples",
            *([f"    {self.training}"] if self.training else []),
            *(line for check in self.checks for line in check.lines()),
            *(line for measure in self.measures if measure.writing for line in measure.lines()),
            *(f"      judging: {line}" for line in self.judging),
        ]


@dataclass(frozen=True)
class ModelPlan:
    """One model of a study, counted."""

    model: str
    note: str
    """Where its facts are estimates."""
    reason: str
    """Why they are."""
    layers: int
    parameters: int
    active_parameters: int
    weight_bytes: int
    activation_bytes: int
    """Of the tallest step of a batch."""
    cache_bytes: int
    """Keys and values held for a whole sweep, or while replies are generated."""
    timed: Mapping[str, TimedStep]
    """What each step of a run takes, by its key, in the order of the run."""
    assumed: str
    """What the times rest on; empty where they were measured on the model itself."""
    steps: tuple[Step, ...]
    by_requests: bool = False
    """Whether vLLM runs it, which divides the work itself."""
    divided_by: int = 1
    """Over how many processes its layers are divided."""
    streamed: PlannedStreams | None = None
    """Of a model whose layers are read from its files."""

    @property
    def tokens(self) -> int:
        """Of all behaviors, if no reply ends early."""
        checked = sum(check.tokens for step in self.steps for check in step.checks)
        return sum(step.tokens for step in self.steps) + sum(writing.tokens for writing in self.written) + checked

    @property
    def written(self) -> list[CountedWriting]:
        """Replies about all behaviors."""
        return [writing for step in self.steps for writing in step.written]

    @property
    def flops(self) -> int:
        """Two operations for each parameter that a token passes."""
        return 2 * self.active_parameters * self.tokens

    @property
    def seconds(self) -> float:
        """On one accelerator, or on this machine; nan where vLLM runs it, whose speed is not known."""
        return math.nan if self.by_requests else sum(step.seconds for step in self.timed.values())

    @property
    def memory_bytes(self) -> int:
        """Everything held at once."""
        weights = self.weight_bytes if self.streamed is None else self.streamed.held_bytes
        return weights + self.activation_bytes + self.cache_bytes

    def lines(self, gpu: Accelerator | None) -> list[str]:
        """For people."""
        active = f", {self.active_parameters:,} active" if self.active_parameters != self.parameters else ""
        lines = [f"{self.model}: {self.layers} layers, {self.parameters:,} parameters{active}"]
        lines += [f"  {self.note}"] if self.note else []
        for step in self.steps:
            lines += step.lines()
        bound = _bound(self.by_requests or self.written)
        return [
            *lines,
            *(self.streamed.lines() if self.streamed else []),
            f"  in all   {bound}{self.tokens:,} tokens, {self.flops:.2e} FLOPs (2 × active parameters × tokens)",
            f"  memory   {self._memory(gpu)}",
            f"  time     {in_time(self.timed.values(), gpu)}",
        ]

    def _memory(self, gpu: Accelerator | None) -> str:
        if self.by_requests:
            fits = f"; the weights alone fill {gpu.needed(self.weight_bytes)} × {gpu.name}" if gpu else ""
            return f"{size_of(self.weight_bytes)} weights; vLLM fills what it is given with keys and values{fits}"
        fits = f": {gpu.needed_in_words(self.memory_bytes)}" if gpu else ""
        over = f" over {self.divided_by} processes" if self.divided_by > 1 else ""
        weights = f"{size_of(self.weight_bytes)} weights{over}"
        return (
            f"{self.streamed.held if self.streamed else weights} + {size_of(self.activation_bytes)} activations "
            f"+ {size_of(self.cache_bytes)} keys and values = {size_of(self.memory_bytes)}{fits}"
        )


@dataclass(frozen=True)
class Plan:
    """A study, counted."""

    name: str
    models: tuple[ModelPlan, ...]
    accelerator: Accelerator | None
    conditional: bool = False
    """Whether the study steers under a condition on the prompt."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those of all models."""
        return tuple(step for model in self.models for step in model.steps)

    def judging(self) -> str:
        """What judges that cost anything would cost at most, a line each; "" where none does."""
        return "\n".join(
            f"{step.behavior} in {model.model}: {line}"
            for model in self.models
            for step in model.steps
            for line in step.judging
        )

    def text(self) -> str:
        """For people."""
        gpu = self.accelerator
        sweeps = sum(not step.unscored for step in self.steps)
        lines = [f"plan of {self.name}: {plural(sweeps, 'sweep')}", *self._doubts()]
        for model in self.models:
            lines += ["", *model.lines(gpu)]
        timed = [model for model in self.models if not model.by_requests]
        untimed = [model.model for model in self.models if model.by_requests]
        report = [] if gpu or not timed else [TimedStep(REPORT_SECONDS)]
        steps = [step for model in timed for step in model.timed.values()] + report
        flops, time = sum(m.flops for m in self.models), in_time(steps, gpu)
        disk = sum(step.disk_bytes for step in self.steps)
        written = [writing for model in timed for writing in model.written]
        bound = _bound(untimed or written)
        free = shutil.disk_usage(Path.cwd()).free
        lines += ["", f"in all {bound}{flops:.2e} FLOPs" + (f", {time}" if timed else "")]
        if untimed:
            lines.append(f"the time of {', '.join(untimed)} is not in it: how fast vLLM is there is not known")
        if not gpu and timed:
            own = "timed: a few passes of each model on this machine, as busy as it is now"
            lines += dict.fromkeys([own, *(model.assumed for model in timed if model.assumed)])
        if gpu and timed:
            lines.append(
                f"assumed: {UTILISATION:.0%} of the {gpu.tflops:,} TFLOP/s that the {gpu.name} does in dense bfloat16; "
                "loading the weights comes on top"
            )
        if gpu and written:
            lines.append(
                "assumed of what is written: nothing ends early; a step takes the longer of its FLOPs and reading the "
                f"weights at {gpu.gigabytes_per_second:,} GB/s"
            )
        return "\n".join([*lines, f"{size_of(disk)} on disk ({size_of(free)} free)"])

    def steps_of(self, check: str = "") -> tuple[dict[str, TimedStep], str]:
        """What a run takes, or adding a measure to a run that is finished otherwise.

        Args:
            check: The measure that is added; empty for everything.

        Returns:
            What each step takes by its key, in the order of the run, and the time of all in words.
        """
        steps = {key: step for model in self.models for key, step in model.timed.items()}
        if check and any(step.measure == "scores" for step in steps.values()):
            steps = {key: step for key, step in steps.items() if step.measure in ("", check)}
        steps[REPORT] = TimedStep(REPORT_SECONDS)
        known = not any(model.by_requests for model in self.models)
        return (steps, in_time(steps.values(), None)) if known else ({}, "how long it takes is not known")

    def _doubts(self) -> list[str]:
        """What in the plan is an estimate, and why."""
        of_note: dict[str, list[str]] = {}
        for step in self.steps:
            if step.note:
                of_note.setdefault(step.note, []).append(step.behavior)
        doubts = [f"pairs of {', '.join(dict.fromkeys(names))}: {note}" for note, names in of_note.items()]
        if self.conditional:
            doubts.append("when: counted as if every prompt met the condition, and without the pass that decides it")
        reasons = dict.fromkeys(model.reason for model in self.models if model.reason)
        doubts += [f"where configurations are estimated, {TOKEN_RULE}"] if reasons else []
        return [*doubts, *(f"reason: {reason}" for reason in reasons)]


def _bound(doubtful: object) -> str:
    """What to say before a sum that counts every reply as if it took all of its tokens, or that shares nothing."""
    return "at most " if doubtful else ""


def in_time(steps: Iterable[TimedStep], gpu: Accelerator | None) -> str:
    """How long steps take, in words."""
    every = list(steps)
    seconds, early = sum(step.seconds for step in every), sum(step.early for step in every)
    if math.isnan(seconds):
        return "not estimated: how fast vLLM is there is not known"
    if gpu:
        return f"{seconds / 3600:.3g} GPU hours"
    return f"{duration_range((seconds - early) * LOW, seconds * HIGH)} on this machine"
