"""A study in progress: for one model after the other, vectors, sweep, answers and replies, into the run folder."""

from __future__ import annotations

import shlex
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from trimtab.data import Behavior
from trimtab.engines import Model, Scoring, load
from trimtab.errors import RunError, TrimtabWarning
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
from trimtab.runs.replying import Replying
from trimtab.runs.settings import BehaviorSetting, ModelSetting, Study
from trimtab.runs.sources import located
from trimtab.vectors import SteeringVector, extract, versions

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""

_KEYS = {
    "models": ("name",),
    "behaviors": ("name",),
    "vectors": ("model", "behavior"),
    "asked": ("model", "behavior"),
}


class Work:
    """A study in progress: what the manifest says grows with it."""

    def __init__(self, study: Study, folder: RunFolder, identity: str, panels: Mapping[str, Panel], progress: Progress):
        self.study, self.folder, self.panels, self.progress = study, folder, panels, progress
        before = folder.manifest() if folder.identity() else {}
        self.manifest: dict[str, Any] = before or {
            "name": folder.path.name,
            "identity": identity,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": shlex.join(["trimtab", *sys.argv[1:]]),
            "trimtab_version": versions()["trimtab"],
            "versions": versions(),
            "models": [],
            "behaviors": [],
            "vectors": [],
            "judges": [],
            "judges_before": {},
            "asked": [],
            "warnings": [],
            "seconds": {},
        }
        self.chunks = Chunks(folder, self.manifest)
        # Written anew on a resumed run: its groups may have changed.
        self.manifest["settings"] = study.model_dump(mode="json")
        self.manifest["folder"] = str(study.folder.absolute())
        self.manifest["status"] = "running"
        folder.write_manifest(self.manifest)

    def one_model(
        self,
        setting: ModelSetting,
        behaviors: Sequence[tuple[BehaviorSetting, Behavior]],
        vectors: SteeringVector | None,
    ) -> None:
        """Everything that the study asks of one model, as far as it is not on disk."""
        self.progress(f"loading {setting.label}", 0, 1)
        started = time.monotonic()
        model = load(located(setting.id, self.study.folder), dtype=setting.dtype, device=setting.device)
        model.name = setting.label
        self._same_weights(model)
        self._note("models", model_entry(model, setting), time.monotonic() - started)
        # Before anything is computed: layers that this model does not have are an error, not a surprise at the end.
        parse_layers(self.study.layers, model.facts.layers)
        if self.study.replies is not None:
            parse_layers(self.study.replies.layers, model.facts.layers)
        if self.study.vector_layer is not None:
            parse_layers([self.study.vector_layer], model.facts.layers)
        doses = Doses(self.folder, model, self.study)
        subjects = [self._one_behavior(model, setting, behavior, vectors, doses) for setting, behavior in behaviors]
        run_checks(CheckContext(self.study, self.folder, self.chunks, model, self.progress), subjects, self._took)

    def _one_behavior(
        self,
        model: Model,
        setting: BehaviorSetting,
        behavior: Behavior,
        vectors: SteeringVector | None,
        doses: Doses,
    ) -> Subject:
        study, scoring = self.study, resolve_scoring(behavior, setting.scoring)
        shares = (study.split.train, study.split.select, study.split.test)
        train, select, test = behavior.split(shares, study.seed)
        rows = shown_rows([("select", select), ("test", test)], scoring, study.balance, study.seed)
        self._note("behaviors", behavior_entry(behavior, (train, select, test), scoring, study), None)
        if vectors is not None and vectors.provenance.pairs_hash != train.hash:
            warnings.warn(
                f"{behavior.name}: the given vectors come from other pairs than this run's training part, so prompts "
                "called held out may have gone into them; extract with the same --seed and --limit",
                TrimtabWarning,
                stacklevel=2,
            )
        vector = self._given(model, behavior, vectors) if vectors else self._vectors(model, train, scoring)
        self._note("vectors", vector_entry(model, behavior, vector), None)
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
            self._reply(study.replies, model, vector, behavior.name, (select, test), self.panels[setting.label], doses)
        return replace(subject, swept=grid)

    def _given(self, model: Model, behavior: Behavior, vectors: SteeringVector) -> SteeringVector:
        """Vectors from elsewhere, kept in the run, so that it can be gone on with without them."""
        file = self.folder.vector_file(model.name, behavior.name)
        if not file.is_file():
            vectors.save(file)
        self.manifest["vectors_given"] = True
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
        self._took(f"extract {train.name}, {model.name}", time.monotonic() - started)
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
            self._took(f"sweep {behavior}, {model.name}", time.monotonic() - started)

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
            self._took(f"ask {behavior}, {model.name}", time.monotonic() - started)

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
        self._same_judges(model.name, behavior, panel)
        asked = [[pair.id for pair in part.pairs[: settings.prompts]] for part in parts]
        self._note("asked", {"model": model.name, "behavior": behavior, "select": asked[0], "test": asked[1]}, None)
        # In the order of the settings, and without judges of a run before that are asked no more.
        others = [e for e in self.manifest["judges"] if (e["model"], e["behavior"]) != (model.name, behavior)]
        self.manifest["judges"] = others + [{"model": model.name, **entry} for entry in panel.entries]
        self.folder.write_manifest(self.manifest)
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
            self.folder, model, vector, grid, behavior, settings, panel.judges, self.progress, self._took
        )
        replying.run(*(part.pairs[: settings.prompts] for part in parts))

    def _same_judges(self, model: str, behavior: str, panel: Panel) -> None:
        """Refuse another judge under the name of one whose judgements are there: they would pass for its own."""
        before = self.manifest["judges_before"]
        for entry in panel.entries:
            key = f"{model}/{behavior}/{entry['name']}"
            if before.setdefault(key, entry["definition"]) != entry["definition"]:
                raise RunError(
                    f"{self.folder.path}: the judge {entry['name']!r} was another one when it judged {behavior} in "
                    "this run; give the new one a `name` of its own"
                )

    def note_warnings(self, caught: Sequence[warnings.WarningMessage]) -> None:
        """Keep what was warned of for the report; the caller is told as well."""
        told = list(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, TrimtabWarning)))
        self.manifest["warnings"] = list(dict.fromkeys([*self.manifest["warnings"], *told]))
        self.folder.write_manifest(self.manifest)
        for text in told:
            warnings.warn(text, TrimtabWarning, stacklevel=3)

    def finish(self) -> None:
        """Say in the manifest that all is there."""
        self.chunks.drop_unused(kind for kind in CHECKS if getattr(self.study, kind) is not None)
        self.manifest["status"] = "finished"
        self.folder.write_manifest(self.manifest)

    def _note(self, kind: str, entry: dict[str, Any], seconds: float | None) -> None:
        """Put an entry into the manifest, in place of the one a stopped run left."""
        keys = _KEYS[kind]
        same = [e for e in self.manifest[kind] if all(e[k] == entry[k] for k in keys)]
        self.manifest[kind] = [e for e in self.manifest[kind] if e not in same] + [entry]
        if seconds is not None:
            self._took(f"load {entry['name']}", seconds)
        self.folder.write_manifest(self.manifest)

    def _took(self, what: str, seconds: float) -> None:
        self.manifest["seconds"][what] = round(self.manifest["seconds"].get(what, 0.0) + seconds, 2)

    def _same_weights(self, model: Model) -> None:
        for entry in self.manifest["models"]:
            if entry["name"] == model.name and entry["fingerprint"] != model.fingerprint:
                raise RunError(
                    f"{self.folder.path}: {model.name} has other weights than when this run began; start a new run"
                )


def _key(row: Row) -> tuple[str, str, int]:
    return row.split, row.shown.pair.id, row.shown.order
