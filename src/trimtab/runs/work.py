"""A study's work in one model: vectors, sweep, answers, replies and checks, into the run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.data import Behavior
from trimtab.engines import Model, Scoring, load
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import (
    AnswerKey,
    Grid,
    Row,
    answer_batches,
    answer_keys,
    form_of,
    parse_layers,
    resolve_scoring,
    shown_rows,
    sweep_batches,
)
from trimtab.runs.asking import Replies
from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.checking import CHECKS, run_checks
from trimtab.runs.chunks import Chunks
from trimtab.runs.dosing import Doses
from trimtab.runs.entries import behavior_entry, model_entry, vector_entry
from trimtab.runs.folder import Parts, RunFolder
from trimtab.runs.judging import Panel
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.notes import Notes
from trimtab.runs.replying import Replying
from trimtab.runs.settings import BehaviorSetting, Study
from trimtab.runs.sources import located
from trimtab.vectors import SteeringVector, extract

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


@dataclass(frozen=True, eq=False)
class Job:
    """A study with everything that it needs besides models."""

    study: Study
    behaviors: Sequence[tuple[BehaviorSetting, Behavior]]
    panels: Mapping[str, Panel]
    """The judges of every behavior that is replied to, by its label."""
    vectors: SteeringVector | None = None
    """Steer with these instead of extracting any."""


class Work:
    """A job in progress: one model after the other."""

    def __init__(self, job: Job, folder: RunFolder, notes: Notes, progress: Progress):
        self.job, self.study, self.folder, self.notes, self.progress = job, job.study, folder, notes, progress
        self.chunks = Chunks(folder, notes.manifest)

    def one_model(self, setting: ModelSetting) -> None:
        """Everything that the study asks of one model, as far as it is not on disk."""
        self.progress(f"loading {setting.label}", 0, 1)
        started = time.monotonic()
        model = load(
            located(setting.id, self.study.folder),
            dtype=setting.dtype,
            device=setting.device,
            engine=setting.engine,
            engine_options=setting.engine_options,
        )
        try:
            self.notes.took(f"load {setting.label}", time.monotonic() - started)
            model.name = setting.label
            self._in(model, setting)
        finally:
            model.close()  # the next one finds the memory free

    def _in(self, model: Model, setting: ModelSetting) -> None:
        self.notes.require_same_weights(model.name, model.fingerprint)
        self.notes.enter("models", model_entry(model, setting))
        # Before anything is computed: layers that this model does not have are an error, not a surprise at the end.
        parse_layers(self.study.layers, model.facts.layers)
        if self.study.replies is not None:
            parse_layers(self.study.replies.layers, model.facts.layers)
        if self.study.vector_layer is not None:
            parse_layers([self.study.vector_layer], model.facts.layers)
        doses = Doses(self.folder, model, self.study)
        subjects = [self._one_behavior(model, *behavior, doses) for behavior in self.job.behaviors]
        context = CheckContext(self.study, self.folder, self.chunks, model, self.progress)
        run_checks(context, subjects, self.notes.took)
        self.chunks.drop_unused(kind for kind in CHECKS if getattr(self.study, kind) is not None)
        self.notes.write()

    def _one_behavior(self, model: Model, setting: BehaviorSetting, behavior: Behavior, doses: Doses) -> Subject:
        study, vectors, scoring = self.study, self.job.vectors, resolve_scoring(behavior, setting.scoring)
        shares = (study.split.train, study.split.select, study.split.test)
        train, select, test = behavior.split(shares, study.seed)
        rows = shown_rows([("select", select), ("test", test)], scoring, study.balance, study.seed)
        self.notes.enter("behaviors", behavior_entry(behavior, (train, select, test), scoring, study))
        if vectors is not None and vectors.provenance.pairs_hash != train.hash:
            warnings.warn(
                f"{behavior.name}: the given vectors come from other pairs than this run's training part, so prompts "
                "called held out may have gone into them; extract with the same --seed and --limit",
                TrimtabWarning,
                stacklevel=2,
            )
        vector = self._given(model, behavior, vectors) if vectors else self._vectors(model, train, scoring)
        self.notes.enter("vectors", vector_entry(model, behavior, vector))
        subject = Subject(setting, behavior, (train, select, test), scoring, vector)
        if not study.sweep:
            return subject
        grid = doses.grid(vector, behavior.name, study.layers, study.strengths, study.scale)
        self._sweep(model, vector, rows, grid, scoring, behavior.name)
        if study.answers and study.answers.wants(model.name, setting.label, behavior.is_choice):
            asked = replace(test, pairs=test.pairs[: study.answers.prompts])
            rows = shown_rows([("test", asked)], "choice", study.balance, study.seed)
            self._ask(model, vector, rows, grid, behavior.name, study.answers.max_new_tokens)
        if study.replies and study.replies.wants(model.name, setting.label, behavior.is_choice):
            self._reply(
                study.replies, model, vector, behavior.name, (select, test), self.job.panels[setting.label], doses
            )
        return replace(subject, swept=grid)

    def _given(self, model: Model, behavior: Behavior, vectors: SteeringVector) -> SteeringVector:
        """Vectors from elsewhere, kept in the run, so that it can be gone on with without them."""
        file = self.folder.vector_file(model.name, behavior.name)
        if not file.is_file():
            vectors.save(file)
        self.notes.manifest["vectors_given"] = True
        return vectors

    def _vectors(self, model: Model, train: Behavior, scoring: Scoring) -> SteeringVector:
        file = self.folder.vector_file(model.name, train.name)
        if file.is_file():
            return SteeringVector.load(file)
        started = time.monotonic()
        vector = extract(
            model,
            train,
            method=self.study.method,
            token_position=self.study.token_position,
            form=form_of(scoring),
            balance=self.study.balance,
            seed=self.study.seed,
            progress=lambda done, total: self.progress(f"extracting {train.name} from {model.name}", done, total),
        )
        vector.save(file)
        self.notes.took(f"extract {train.name}, {model.name}", time.monotonic() - started)
        return vector

    def _sweep(
        self,
        model: Model,
        vector: SteeringVector,
        rows: Sequence[Row],
        grid: Grid,
        scoring: Scoring,
        behavior: str,
    ) -> None:
        on_disk = self.folder.done(model.name, behavior)
        done = {i for i, row in enumerate(rows) if _key(row) in on_disk}
        finished, started = len(done), time.monotonic()
        what = f"sweeping {behavior} in {model.name}"
        self.progress(what, finished, len(rows))
        parts = Parts(self.folder, "samples")
        try:
            for indices, frame in sweep_batches(model, vector, rows, grid, scoring, behavior, done):
                # Batches may differ from those before the stop, as with another amount of free memory.
                keys = zip(frame["split"], frame["prompt_id"], frame["order"], strict=True)
                parts.add(frame[[key not in on_disk for key in keys]])
                finished += len(indices)
                self.progress(what, finished, len(rows))
        finally:
            parts.flush()
            self.notes.took(f"sweep {behavior}, {model.name}", time.monotonic() - started)

    def _ask(
        self, model: Model, vector: SteeringVector, rows: Sequence[Row], grid: Grid, behavior: str, max_new_tokens: int
    ) -> None:
        answers = self.folder.parts("answers")
        done = set[AnswerKey]()
        if answers is not None:
            done = answer_keys(answers[(answers["model"] == model.name) & (answers["behavior"] == behavior)])
        finished, total, started = len(done), len(rows) * (1 + len(grid.steered)), time.monotonic()
        what = f"asking {model.name} about {behavior}"
        self.progress(what, finished, total)
        parts = Parts(self.folder, "answers")
        try:
            for frame in answer_batches(model, vector, rows, grid, behavior, max_new_tokens=max_new_tokens, done=done):
                parts.add(frame)
                finished += len(frame)
                self.progress(what, finished, total)
        finally:
            parts.flush()
            self.notes.took(f"ask {behavior}, {model.name}", time.monotonic() - started)

    def _reply(
        self,
        settings: Replies,
        model: Model,
        vector: SteeringVector,
        behavior: str,
        parts: tuple[Behavior, Behavior],
        panel: Panel,
        doses: Doses,
    ) -> None:
        study = self.study
        asked = [[pair.id for pair in part.pairs[: settings.prompts]] for part in parts]
        self.notes.judged_by(model.name, behavior, panel.entries)
        self.notes.enter("asked", {"model": model.name, "behavior": behavior, "select": asked[0], "test": asked[1]})
        for reason in panel.declined:
            warnings.warn(f"a judge declined: {reason}", TrimtabWarning, stacklevel=2)
        if settings.search == "halving" and not panel.judges:
            warnings.warn(
                f"{behavior}: without a judge cells cannot be halved; only the first prompts were asked",
                TrimtabWarning,
                stacklevel=2,
            )
        grid = doses.grid(
            vector,
            behavior,
            settings.layers or study.layers,
            settings.strengths or study.strengths,
            settings.scale or study.scale,
        )
        replying = Replying(
            self.folder, model, vector, grid, behavior, settings, panel.judges, self.progress, self.notes.took
        )
        replying.run(*(part.pairs[: settings.prompts] for part in parts))


def _key(row: Row) -> tuple[str, str, int]:
    return row.split, row.shown.pair.id, row.shown.order
