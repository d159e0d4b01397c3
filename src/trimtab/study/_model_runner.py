"""A study's work in one model: vectors, sweep, answers, replies and checks, into the run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from trimtab.data import AnyContrast, AskedTexts, Behavior, Form
from trimtab.engines import Model, load, run_side_by_side, seconds_of, shares_streams
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import Grid, form_of, layers_of, resolve_scoring
from trimtab.models import PromptError
from trimtab.steering import require_fit
from trimtab.store.cached_tables import CachedTables
from trimtab.store.manifest import AskedEntry
from trimtab.store.run_folder import RunFolder
from trimtab.study._contrast_parts import parts_of, vector_source
from trimtab.study._file_locations import located
from trimtab.study._manifest_entries import behavior_entry, condition_entry, model_entry, vector_entry
from trimtab.study._recorder import Recorder
from trimtab.study._unscored import UnscoredBehavior, prompts_of, size_of
from trimtab.study.given import Given
from trimtab.study.measures.answers.measure import ANSWERS
from trimtab.study.measures.context import Context, Progress, RunSubject
from trimtab.study.measures.dose.run import Doses
from trimtab.study.measures.grids import needs_transport, reply_grid, swept_grid, trained_layers
from trimtab.study.measures.layer_bounds import bounded, measured_bounds
from trimtab.study.measures.replies.judging import Panel
from trimtab.study.measures.replies.measure import REPLIES
from trimtab.study.measures.running import extraction_bytes, run_measures, tables_of
from trimtab.study.measures.scores.measure import SCORES
from trimtab.study.measures.scores.sweep_rows import SweepSharing
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study
from trimtab.study.step_names import extracting, loading
from trimtab.vectors import AGGREGATIONS, SteeringVector, extract, with_residual_norms
from trimtab.vectors.maps import with_transport


@dataclass(frozen=True, eq=False)
class Job:
    """A study with everything that it needs besides models."""

    study: Study
    behaviors: Sequence[tuple[BehaviorSetting, Behavior]]
    panels: Mapping[str, Panel]
    """The judges of every behavior that is replied to, by its label."""
    vectors: SteeringVector | None = None
    """Steer with these instead of extracting any."""
    contrasts: Mapping[str, AnyContrast] = field(default_factory=dict)
    """What vectors are made of that are not made of a part of the pairs, by label."""
    given: Given = field(default_factory=Given)
    """Models and parts that are there already."""


class Work:
    """A job in progress: one model after the other."""

    def __init__(
        self,
        job: Job,
        folder: RunFolder,
        recorder: Recorder[Any],
        progress: Progress,
        sharing: SweepSharing | None = None,
    ):
        self.job, self.study, self.folder, self.recorder = job, job.study, folder, recorder
        self.progress, self.sharing = progress, sharing
        self.tables = CachedTables(recorder)

    def one_model(self, setting: ModelSetting) -> None:
        """Do everything that the study wants of one model and that its run folder lacks."""
        if (loaded := self.job.given.models.get(setting.label)) is not None:
            self._in(loaded, setting)  # it stays loaded: whoever gave it goes on using it
            return
        self.progress(loading(setting.label), 0, 1)
        started = time.monotonic()
        model = load(located(setting.id, self.study.folder), **setting.load_options)
        try:
            self.recorder.add_seconds("load", time.monotonic() - started, setting.label)
            self.progress(loading(setting.label), 1, 1)
            model.name = setting.label
            self._in(model, setting)
        finally:
            model.close()  # the next one finds the memory free

    def _in(self, model: Model, setting: ModelSetting) -> None:
        self.recorder.require_same_model(model.name, model.fingerprint, model.template_hash)
        self.recorder.enter(model_entry(model, setting))
        # Before anything is computed: layers that this model does not have are an error, not a surprise at the end.
        swept_grid(self.study, model.facts.layers)
        if self.study.replies is not None:
            reply_grid(self.study, self.study.replies, model.facts.layers)
        if self.study.condition is not None:
            self.study.condition.require_fit(model)
        # So is a pair that is too long for it. One that its chat template refuses leaves out its behavior only.
        for behavior_setting, behavior in self.job.behaviors:
            with suppress(PromptError):
                model.encode(behavior.pairs, form_of(resolve_scoring(behavior, behavior_setting.scoring)))
                if isinstance(behavior, UnscoredBehavior):
                    model.encode_examples([*behavior.contrast.positive, *behavior.contrast.negative])
        doses = Doses(self.folder, model, self.study, self.progress)
        contexts, refused = self._every_behavior(model, doses)
        if self.sharing is not None:
            self.sharing.close()
        subjects = [context.subject for context in contexts]
        others = [(subject.parts[2], subject.scoring) for subject in subjects if not SCORES.unfit(subject.behavior)]
        left_out = {behavior.name for _, behavior in self.job.behaviors} - {c.subject.name for c in contexts}
        run_measures([replace(c, subject=replace(c.subject, others=others, refused=left_out)) for c in contexts])
        self.tables.drop_unused(tables_of(self.study))
        self.recorder.write()
        if refused:
            raise PromptError(refused)

    def _every_behavior(self, model: Model, doses: Doses) -> tuple[list[Context], list[str]]:
        """Work on each behavior; also returns why the model cannot be asked others.

        On a streamed model the extractions of all behaviors share streams over its weights, and so do their doses and
        scores: each behavior is not at its end before the next begins, as it is elsewhere.
        """
        refused: list[str] = []

        def unless_refused(behavior: Behavior, work: Callable[[], Context]) -> Context | None:
            try:
                return work()
            except PromptError as error:
                refused.extend(error.problems)
                warnings.warn(
                    f"{behavior.name} is left out in {model.name}, which cannot be asked it: {error.problems[0]}",
                    TrimtabWarning,
                    stacklevel=2,
                )
                return None

        def continued(step: Callable[[Context], Context], context: Context) -> Callable[[], Context | None]:
            return partial(unless_refused, context.subject.behavior, partial(step, context))

        behaviors = self.job.behaviors
        making = [partial(unless_refused, one[1], partial(self._made, model, *one)) for one in behaviors]
        scored, asked = partial(self._scored, doses), partial(self._asked, doses)
        if self.sharing is None and shares_streams(model):
            held = [extraction_bytes(self.study.method, one, model.facts) for _, one in behaviors]
            found = _present(run_side_by_side(model, making, held))
            found = _present(run_side_by_side(model, [continued(scored, context) for context in found]))
            return _present(continued(asked, context)() for context in found), refused

        def whole(context: Context) -> Context:
            return asked(scored(context))

        made = (work() for work in making)
        return _present(continued(whole, context)() for context in made if context is not None), refused

    def _made(self, model: Model, setting: BehaviorSetting, behavior: Behavior) -> Context:
        study, vectors, scoring = self.study, self.job.vectors, resolve_scoring(behavior, setting.scoring)
        train, select, test = self.job.given.parts.get(setting.label) or parts_of(study, setting, behavior)
        self.recorder.enter(behavior_entry(behavior, (train, select, test), scoring, study))
        made_of = self.job.contrasts.get(setting.label)
        if vectors is not None and (
            vectors.provenance.origin or (size_of(train) and vectors.provenance.pairs_hash != train.hash)
        ):
            warnings.warn(f"{behavior.name}: {_doubt(vectors)}", TrimtabWarning, stacklevel=2)
        vector = (
            self._given(model, behavior, vectors) if vectors else self._vectors(model, train, form_of(scoring), made_of)
        )
        self.recorder.enter(vector_entry(model, behavior, vector))
        subject = RunSubject(
            study, model.name, model.facts.layers, setting, behavior, (train, select, test), scoring,
            made_of=AskedTexts.of(made_of), contrast=made_of, directed=vector.layers, loaded=model,
            folder=self.folder,
        )  # fmt: skip
        return Context(
            model, vector, subject, self.folder, self.tables, self.progress, self.recorder.add_seconds, self.sharing
        )

    def _scored(self, doses: Doses, context: Context) -> Context:
        """Doses and scores in the cells of the study, as far as the behavior can have them."""
        study, model, vector, subject = self.study, context.model, context.vector, context.subject
        if not study.sweep:
            return context
        if study.condition is not None:
            entry = condition_entry(model, subject.behavior, subject.parts[1:], subject.scoring, study.condition)
            self.recorder.enter(entry)
        grid = self._bounded(context, swept_grid(study, subject.n_layers, subject.directed))
        grid = doses.strengths(grid, vector, subject.name)
        context = replace(context, subject=replace(subject, swept=grid))

        def measure_doses() -> None:
            doses.measure(grid, vector, subject.name)
            if shares_streams(model) and self._is_replied(subject):
                self._reply_cells(doses, context)

        works = [measure_doses]
        if not SCORES.unfit(subject.behavior):
            works.append(partial(SCORES.run, context))
        run_side_by_side(model, works)
        return context

    def _asked(self, doses: Doses, context: Context) -> Context:
        """Answers and replies in the cells of the study, as far as the behavior can have them."""
        study, subject = self.study, context.subject
        if not study.sweep:
            return context
        covered = (subject.model, subject.setting.label, subject.behavior.is_choice)
        if study.answers and study.answers.covers(*covered):
            ANSWERS.run(study.answers, context)
        if study.replies is None or not self._is_replied(subject):
            return context
        panel = self.job.panels[subject.setting.label]
        asked = (prompts_of(part)[: study.replies.prompts] for part in subject.parts[1:])
        select, test = (tuple(prompt.id for prompt in prompts) for prompts in asked)
        self.recorder.judged_by(subject.model, subject.name, panel.entries)
        self.recorder.enter(AskedEntry(model=subject.model, behavior=subject.name, select=select, test=test))
        recommended = REPLIES.run(study.replies, context, self._reply_cells(doses, context), panel)
        return replace(context, subject=replace(context.subject, recommended=recommended))

    def _is_replied(self, subject: RunSubject) -> bool:
        replies = self.study.replies
        covered = (subject.model, subject.setting.label, subject.behavior.is_choice)
        return replies is not None and replies.covers(*covered) and not REPLIES.unfit(subject.behavior)

    def _reply_cells(self, doses: Doses, context: Context) -> Grid:
        """The cells of the replies, with their doses measured."""
        subject, replies = context.subject, self.study.replies
        assert replies is not None
        cells = self._bounded(context, reply_grid(self.study, replies, subject.n_layers, subject.directed))
        return doses.calibrated(cells, context.vector, subject.name, "for replies")

    def _bounded(self, context: Context, grid: Grid) -> Grid:
        """The grid with its bounds, where strengths are percentiles; those that the run has recorded already."""
        bound, subject = self.study.bound, context.subject
        if bound is None:
            return grid
        mine = (subject.model, subject.name)
        layers = {layer for some in grid.layers for layer in some}
        for entry in self.recorder.manifest.bounds:
            if (entry.model, entry.behavior) == mine and layers <= set(entry.layers):
                return bounded(grid, entry)
        known = [entry for entry in self.recorder.manifest.bounds if (entry.model, entry.behavior) == mine]
        wanted = sorted(layers.union(*(entry.layers for entry in known)))
        data = vector_source(subject.parts[0], subject.vector_contrast)
        every = replace(grid, layers=tuple((layer,) for layer in wanted))
        entry = measured_bounds(
            context.model, context.vector, data, subject.name, every, bound, self.progress,
            form=_asked_form(subject.parts[0], subject.vector_contrast, form_of(subject.scoring)),
            balance=self.study.balance, seed=self.study.seed,
        )  # fmt: skip
        self.recorder.enter(entry)
        return bounded(grid, entry)

    def _given(self, model: Model, behavior: Behavior, vectors: SteeringVector) -> SteeringVector:
        """Vectors from elsewhere, copied into the run folder so that a resumed run does not need them."""
        file = self.folder.vector_file(model.name, behavior.name)
        vectors = with_residual_norms(require_fit(vectors, model.backbone), model)
        if self.study.vector_layer is None:
            layers_of(self.study.layers, model.facts.layers, vectors)  # warns of the layers that it lacks
        if not file.is_file():
            vectors.save(file)
        self.recorder.update(self.recorder.manifest.replace(vectors_given=True))
        return vectors

    def _vectors(self, model: Model, train: Behavior, form: Form, made_of: AnyContrast | None) -> SteeringVector:
        """Of the training part as it is scored, or of a contrast of its own."""
        file = self.folder.vector_file(model.name, train.name)
        if file.is_file():
            return SteeringVector.load(file)
        clock = seconds_of(model)
        started = clock()
        trained: dict[str, Any] = {}
        if AGGREGATIONS.get(self.study.method).trained:
            layers = trained_layers(self.study, model.facts.layers)
            trained = {"layers": layers, "training": self.study.training_settings}
        vector = extract(
            model,
            vector_source(train, made_of),
            method=self.study.method,
            **trained,
            token_position=self.study.token_position,
            form=_asked_form(train, made_of, form),
            balance=self.study.balance,
            seed=self.study.seed,
            progress=lambda done, total: self.progress(
                extracting(train.name, model.name, self.study.method), done, total
            ),
        )
        if needs_transport(self.study):
            vector = with_transport(vector, model, vector_source(train, made_of), seed=self.study.seed, progress=False)
        vector.save(file)
        self.recorder.add_seconds("extract", clock() - started, model.name, train.name)
        return vector


def _asked_form(train: Behavior, made_of: AnyContrast | None, form: Form) -> Form | Literal["auto"]:
    """How the texts of a vector are asked: pairs that are scored as they are scored."""
    return "auto" if made_of is not None or isinstance(train, UnscoredBehavior) else form


def _present(contexts: Iterable[Context | None]) -> list[Context]:
    return [context for context in contexts if context is not None]


def _doubt(vectors: SteeringVector) -> str:
    """What is not known of given vectors that were not made of the training part."""
    if (origin := vectors.provenance.origin) is not None:
        file = f", {origin.file}" if origin.file else ""
        return (
            f"the vectors were made elsewhere ({origin.made_by}{file}) and are checked here; which weights and prompts "
            "they come from is not known, so prompts called held out may have gone into them"
        )
    if vectors.provenance.form in ("prompts", "sets"):
        return (
            "the given vectors come from a contrast between prompts or lists, so it is not known whether they have "
            "seen prompts that are called held out; a study that names it as the behavior's `contrast` looks"
        )
    return (
        "the given vectors come from other pairs than this run's training part, so prompts called held out may have "
        "gone into them; extract with the same --seed and --limit"
    )
