"""What a study would do, worked out from configurations and tokenizers alone: no weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trimtab._util.callbacks import StepName
from trimtab._util.wording import plural
from trimtab.data import Behavior
from trimtab.engines.transformers.packing.budget import NUMBERS_PER_WIDTH
from trimtab.engines.transformers.streaming.writing_cost import MAX_WRITING_HOURS
from trimtab.engines.transformers.transformers_type import HOURS
from trimtab.errors import SettingError
from trimtab.evaluation import resolve_scoring
from trimtab.models import PromptError, StreamPlan
from trimtab.steering import SCALES
from trimtab.study._contrast_parts import contrasts_of, vector_source
from trimtab.study._measurable import measured_in_words, require_measurable
from trimtab.study.given import Given
from trimtab.study.measures.base import Measure, Unit
from trimtab.study.measures.grids import needs_transport, trained_layers
from trimtab.study.measures.running import chains_of, extraction_bytes, held_bytes, measures_of
from trimtab.study.measures.work import ReadExamples, ReadPairs, ReadTexts, TrainVectors, Work
from trimtab.study.plan._calibration import pace_of
from trimtab.study.plan._counting import Counted, count
from trimtab.study.plan._estimates import reach_behavior
from trimtab.study.plan._pace import FIXED_SECONDS, Pace
from trimtab.study.plan._planned_streams import (
    NO_JOB,
    NO_STREAMS,
    PlannedJob,
    PlannedStreams,
    SharedCount,
    StreamedJob,
    Trials,
    refusals,
)
from trimtab.study.plan._subjects import PlannedSubject, planned_subjects
from trimtab.study.plan._targets import Target, target_for
from trimtab.study.plan.accelerators import ACCELERATORS
from trimtab.study.plan.text import ModelPlan, Plan, PlannedMeasure, Step
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study, require_names_of_their_own
from trimtab.study.step_names import (
    BOUNDS,
    EXTRACTION,
    TimedStep,
    answering,
    bounding,
    dosing,
    extracting,
    loading,
    measuring,
    replying,
    sweeping,
)
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training import TrainedAggregation


def plan_study(study: Study, accelerator: str | None = None) -> Plan:
    """Count what a study would do, here or on an accelerator of `ACCELERATORS`.

    Where a model's configuration or a behavior's pairs cannot be reached, the facts and sizes in the study file take
    their place, and the plan says so.

    Raises:
        DataError, SettingError, ModelError: what running it would raise before the first forward pass.
    """
    if accelerator is not None and accelerator not in ACCELERATORS:
        raise SettingError(f"accelerator {accelerator!r} is unknown; they are {', '.join(ACCELERATORS)}")
    gpu = ACCELERATORS[accelerator] if accelerator else None
    for model in study.models:
        model.require_engine(here=False)  # a plan may be for another machine
    reached = [reach_behavior(study, setting) for setting in study.behaviors]
    behaviors = [(setting, behavior) for setting, (behavior, _) in zip(study.behaviors, reached, strict=True)]
    require_measurable(study, behaviors)
    require_names_of_their_own([behavior.name for _, behavior in behaviors])
    contrasts = contrasts_of(study, behaviors, Given())
    models = []
    for model in study.models:
        target = target_for(model, gpu, study.folder)
        try:
            subjects = planned_subjects(study, model, target.facts.layers, behaviors, contrasts=contrasts)
            counted = [_counted(subject, note, target) for subject, (_, note) in zip(subjects, reached, strict=True)]
        except PromptError as error:
            raise PromptError([f"{model.label}: {problem}" for problem in error.problems]) from error
        models.append(_model_plan(model, target, counted, pace_of(model, target, gpu, study.folder)))
    return Plan(study.name, tuple(models), gpu, conditional=study.when is not None)


@dataclass(frozen=True)
class _Part:
    """A step of a run with its pieces of work, counted."""

    name: StepName
    behavior: str
    measure: str
    works: tuple[tuple[Work, Counted], ...]
    count: int = 0
    chains: tuple[PlannedJob, ...] = ()
    """What may run beside other work on a streamed model."""
    apart: PlannedJob = NO_JOB
    """What may not."""

    held_bytes: int = 0
    """What its states take in memory until its end."""

    @property
    def job(self) -> PlannedJob:
        """All of its work, piece after piece."""
        return PlannedJob(tuple(counted.streamed for _, counted in self.works if counted.rows), self.held_bytes)

    @property
    def streamed(self) -> StreamedJob:
        """The same as one job; neutral texts are among what it writes."""
        whole = sum((piece.streamed for _, piece in self.works), NO_STREAMS)
        return replace(whole, tokens=max(whole.tokens, whole.neutral_tokens))

    @property
    def trains(self) -> bool:
        """Whether it trains vectors."""
        return any(isinstance(work, TrainVectors) for work, _ in self.works)

    def timed(self, pace: Pace, streamed: PlannedStreams | None) -> TimedStep:
        """How long it takes: computing, or its share of reading the weights where that takes longer."""
        whole = early = 0.0
        for work, counted in self.works:
            computing, reading = pace.seconds(work, counted), 0.0
            if streamed is not None:
                reading = streamed.reading_share * streamed.stream.seconds(counted.streamed.streams)
            whole += max(computing, reading)
            early += pace.early(work, counted) if computing >= reading else pace.early_share(counted) * reading
        return TimedStep(whole + FIXED_SECONDS.get(self.measure, 0.0) * pace.fixed, self.count, self.measure, early)


def _reading(subject: PlannedSubject) -> list[Work]:
    """What the vector is read from, and its training."""
    study, source = subject.study, vector_source(subject.parts[0], subject.contrast)
    if not isinstance(source, Behavior):
        return [ReadExamples([*source.positive, *source.negative])] * (1 + needs_transport(study))
    scoring = subject.scoring if subject.contrast is None else resolve_scoring(source, "auto")
    read, method = ReadPairs(source, scoring), AGGREGATIONS.get(study.method)
    again = [read] if needs_transport(study) else []
    if not isinstance(method, TrainedAggregation):
        return [read, *again]
    settings = method.settings(study.training_settings)
    return [read, TrainVectors(source, scoring, method, settings, trained_layers(study, subject.n_layers)), *again]


def _counted(subject: PlannedSubject, note: str, target: Target) -> tuple[Step, list[_Part]]:
    """One behavior in one model: the extraction, the sweep with its doses, and what is measured beside them."""
    study = subject.study
    reading = _reading(subject)
    made = [count(work, study, target) for work in reading]
    read, again = made[0], list[Counted]()
    swept: list[Counted] = []
    beside: list[PlannedMeasure] = []
    prices: list[str] = []
    parts = [
        _Part(
            extracting(subject.name, subject.model, study.method),
            subject.name,
            EXTRACTION,
            tuple(zip(reading, made, strict=True)),
            held_bytes=extraction_bytes(study.method, subject.behavior, target.facts),
        )
    ]
    if study.bound is not None and study.sweep:
        again.append(read)  # for the projections that percentiles are taken of
        parts.append(_Part(bounding(subject.name, subject.model), subject.name, BOUNDS, ((reading[0], read),)))
    for measure, settings in measures_of(subject):
        units = list(measure.units(settings, subject))
        by_unit = {id(unit): [count(piece, study, target) for piece in unit.work] for unit in units}
        works = [piece for unit in units for piece in unit.work]
        counted = [piece for unit in units for piece in by_unit[id(unit)]]
        part = _part(measure, subject, tuple(zip(works, counted, strict=True)))
        parts.append(replace(part, **_sharing(measure, units, by_unit, target)))
        if settings is None:
            swept += counted
        else:
            beside.append(PlannedMeasure(measure.label, tuple(counted), tuple(measure.uncounted(settings, subject))))
            prices += measure.costs(settings, subject)
    every = [*made, *again, *swept]
    step = Step(
        behavior=subject.name,
        scoring=subject.scoring,
        unscored=measured_in_words(study, subject.setting, subject.behavior),
        note=note,
        pairs=read.rows,
        prompts=sum(part.rows for part in swept if part.scores),
        cells=sum(part.cells for part in swept),
        passes=sum(part.passes for part in every),
        tokens=sum(part.tokens for part in every),
        naive_tokens=sum(part.naive_tokens for part in every),
        kept_tokens=max([part.kept_tokens for part in swept], default=0),
        samples=sum(part.scores for part in swept),
        measures=tuple(beside),
        judging=tuple(prices),
        by_requests=target.by_requests,
        training=_training_line(reading, made),
        gradient_bytes=max(part.gradient_bytes for part in made),
    )
    return step, parts


def _training_line(reading: Sequence[Work], made: Sequence[Counted]) -> str:
    """What is trained, for people; empty where nothing is."""
    for work, counted in zip(reading, made, strict=True):
        if isinstance(work, TrainVectors):
            layers, steps = plural(len(work.layers), "layer"), plural(work.settings.steps, "step")
            size = plural(work.settings.batch_size, "pair")
            return (
                f"training {work.method.name} at {layers} at once: at most {steps} of {size}, {counted.tokens:,} tokens"
            )
    return ""


def _part(measure: Measure[Any], subject: PlannedSubject, works: tuple[tuple[Work, Counted], ...]) -> _Part:
    """A measure as the step by which its run reports its progress."""
    behavior, model, which = subject.name, subject.model, measure.name
    named = {"scores": sweeping, "dose": dosing, "answers": answering, "replies": replying}
    name = named[which](behavior, model) if which in named else measuring(measure.label, behavior, model)
    # Steps that are reported in parts say beforehand what they count in all.
    replies = sum(counted.writing.replies for _, counted in works if counted.writing) if which == "replies" else 0
    texts = sum(counted.rows for _, counted in works) if which == "dose" else 0
    return _Part(name, behavior, which, works, replies or texts)


def _sharing(
    measure: Measure[Any], units: Sequence[Unit], counted: Mapping[int, list[Counted]], target: Target
) -> dict[str, Any]:
    """What of a measure may run beside other work on a streamed model, and what may not, as fields of a part."""

    def job(some: Sequence[Unit]) -> PlannedJob:
        steps = tuple(piece.streamed for unit in some for piece in counted[id(unit)])
        return PlannedJob(steps, held_bytes((piece for unit in some for piece in unit.work), target.facts))

    chains = [] if measure.is_apart else chains_of(units)
    apart = [unit for unit in units if measure.is_apart or unit.runs_apart]
    return {"chains": tuple(map(job, chains)), "apart": job(apart)}


_FIRST = (EXTRACTION, BOUNDS, "dose", "scores", "answers", "replies")


def _in_order(counted: Sequence[tuple[Step, list[_Part]]]) -> list[_Part]:
    """The steps as a run takes them: each behavior until its replies, then what is added to each."""
    every = [parts for _, parts in counted]
    main = [part for parts in every for measure in _FIRST for part in parts if part.measure == measure]
    return main + [part for parts in every for part in parts if part.measure not in _FIRST]


def _model_plan(
    model: ModelSetting, target: Target, counted: Sequence[tuple[Step, list[_Part]]], pace: Pace
) -> ModelPlan:
    facts, size = target.facts, target.dtype.itemsize
    steps = [step for step, _ in counted]
    stream, parts = target.stream, [part for part in _in_order(counted) if part.works]
    load = pace.load
    if stream and stream.bytes_per_second:  # of a stand-in, reading is taken for an ordinary disk's
        reading = (stream.resident_bytes + stream.layer_bytes) / stream.bytes_per_second
        load = reading if pace.assumed else max(load, reading)
    streamed = None if stream is None else _streams(model, stream, target, parts)
    timed: dict[str, TimedStep] = {loading(model.label): TimedStep(load)}
    timed |= {part.name: part.timed(pace, streamed) for part in parts}
    activations = min(target.budget.tokens, target.budget.ceiling) * NUMBERS_PER_WIDTH * facts.width
    cached = 2 * facts.layers * facts.kv_heads * facts.head_size * max(step.held_tokens for step in steps)
    return ModelPlan(
        model=model.label,
        note=target.reached.note,
        reason=target.reached.reason,
        layers=facts.layers,
        parameters=facts.parameters,
        active_parameters=facts.active_parameters,
        weight_bytes=target.weight_bytes,
        activation_bytes=max(activations * size, *(step.gradient_bytes for step in steps)),
        cache_bytes=cached * size,
        timed=timed,
        assumed=pace.assumed,
        steps=tuple(steps),
        by_requests=target.by_requests,
        divided_by=model.tensor_parallel,
        streamed=streamed,
    )


def _streams(model: ModelSetting, stream: StreamPlan, target: Target, parts: Sequence[_Part]) -> PlannedStreams:
    """The phases of a run on a streamed model, the jobs of each of which share streams."""
    by_itself = SharedCount(target.budget, Trials())
    counted = SharedCount(target.budget, Trials())
    steps = [(part.name.short, part.trains, part.streamed) for part in parts]
    return PlannedStreams(
        stream=stream,
        phases=tuple((name, counted.streams(jobs)) for name, jobs in _phases(parts) if jobs),
        apart=1 + sum(by_itself.streams([part.job]) for part in parts),
        jobs=tuple((name, whole) for name, _, whole in steps),
        refused=refusals(model.label, stream, steps, float(model.engine_options.get(HOURS, MAX_WRITING_HOURS))),
    )


def _phases(parts: Sequence[_Part]) -> Iterator[tuple[str, list[PlannedJob]]]:
    """What follows one another in a run on a streamed model."""
    yield "vectors", [part.job for part in parts if part.measure == EXTRACTION]
    pushed = [part for part in parts if part.measure in (BOUNDS, "dose", "scores")]
    behaviors = {part.behavior: [one for one in pushed if one.behavior == part.behavior] for part in pushed}
    yield "doses and scores", [_scored(some) for some in behaviors.values()]
    for part in parts:
        if part.measure in ("answers", "replies"):
            yield part.name.short, [part.job]
    beside = [part for part in parts if part.measure not in _FIRST]
    yield "measures", [chain for part in beside for chain in part.chains if chain.steps]
    for part in beside:
        if part.apart.steps:
            yield part.name.short, [part.apart]


def _scored(parts: Sequence[_Part]) -> PlannedJob:
    """Doses and scores of a behavior: side by side, behind strengths that have to be found first."""
    grids = [work.grid for part in parts for work, _ in part.works if isinstance(work, ReadTexts)]
    if any(SCALES.get(grid.scale).in_nats for grid in grids):
        return PlannedJob(tuple(step for part in parts for step in part.job.steps))
    first = tuple(step for part in parts if part.measure == BOUNDS for step in part.job.steps)
    return PlannedJob((*first, tuple(part.job for part in parts if part.measure != BOUNDS)))
