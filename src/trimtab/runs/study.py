"""Running a study: its data and judges first, then the work, model by model, into the run folder."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from trimtab.data import Behavior, dataset
from trimtab.errors import RunError
from trimtab.runs.checks import Diagnosis
from trimtab.runs.diagnosis_check import KIND, METHOD_SAMPLES
from trimtab.runs.folder import RunFolder, free_folder
from trimtab.runs.judging import Panel, judged_whole, panel_for
from trimtab.runs.notes import Notes, begin
from trimtab.runs.planning import plan_study
from trimtab.runs.ray_driver import require_ray, run_side_by_side
from trimtab.runs.settings import BehaviorSetting, Study, require_names_of_their_own
from trimtab.runs.sources import located
from trimtab.runs.work import Job, Progress, Work
from trimtab.vectors import SteeringVector

Approve = Callable[[str], bool]
"""(what it would cost) → whether to go on."""


def run_study(
    study: Study,
    out: Path | None = None,
    *,
    vectors: SteeringVector | None = None,
    progress: Progress = lambda what, done, total: None,
    approve: Approve = lambda cost: True,
    ray: str | None = None,
) -> Path:
    """Run a study, or go on with it where it was stopped, and return its folder.

    Args:
        study: what to run.
        out: the run folder; `runs/<name>` by default, or the next free `runs/<name>-2` if that holds another study.
        vectors: steer with these instead of extracting any; for one model and one behavior.
        progress: called with (what, done, total).
        approve: called with what judging by language models would cost at most, before anything is run or spent; when
            it returns False, nothing is. Not called where a finished run holds all judgements.
        ray: run the models side by side on Ray: `local` for this machine, or the address of a cluster whose nodes
            see the same files. A Ray that this process is connected to already is used as it is.

    Raises:
        RunError: when the folder holds something else, the weights have changed since the run began, the cost is
            not approved, or Ray is not there.
        DataError, SettingError, ModelError, VectorError: for what they name.
    """
    if ray is not None:
        require_ray(ray)
    for model in study.models:
        model.require_engine(here=ray is None)
    behaviors = [(setting, _named_dataset(setting, study)) for setting in study.behaviors]
    require_names_of_their_own([behavior.name for _, behavior in behaviors])
    if study.answers is not None:
        for named, behavior in behaviors:
            study.answers.wants("", named.label, behavior.is_choice)  # refuses before anything is computed
    panels = _panels(study, behaviors)
    identity = study.identity([b.hash for _, b in behaviors] + ([_vector_key(vectors)] if vectors else []))
    path = out or free_folder(Path("runs") / study.name, identity)
    _require_approval(study, RunFolder(path), identity, approve)
    folder = RunFolder.open(path, identity)
    study = _as_the_folder_is(study, folder)
    try:
        notes = begin(folder, study, identity)
        job = Job(study, behaviors, panels, vectors)
        try:
            with notes.listening():
                if ray is None:
                    _one_after_another(job, folder, notes, progress)
                else:
                    run_side_by_side(job, notes, progress, ray)
        finally:
            notes.tell()  # also of a study that is stopped half-way
        notes.finish(study)
    finally:
        folder.close()
    return folder.path


def _one_after_another(job: Job, folder: RunFolder, notes: Notes, progress: Progress) -> None:
    work = Work(job, folder, notes, progress)
    for setting in job.study.models:
        work.one_model(setting)
        gc.collect()
        torch.cuda.empty_cache()  # another engine's processes could not take what this one only keeps


def _as_the_folder_is(study: Study, folder: RunFolder) -> Study:
    """A study that goes on with what is in the folder.

    A run that was swept stays swept. A diagnosis made before the sweep looked at all pairs; with held-out prompts it is
    made again.
    """
    if folder.parts("samples") is not None:
        study = study.model_copy(update={"sweep": True})
    diagnosed = [name for name in _chunks(folder) if name.startswith(f"{KIND}/")]
    if study.sweep and diagnosed and study.diagnosis is None:
        methods = any(name.startswith(f"{KIND}/{METHOD_SAMPLES}") for name in diagnosed)
        return study.model_copy(update={"diagnosis": Diagnosis(methods=methods)})
    return study


def _chunks(folder: RunFolder) -> Mapping[str, str]:
    found: Mapping[str, str] = folder.manifest().get("chunks", {}) if folder.identity() else {}
    return found


def _panels(study: Study, behaviors: Sequence[tuple[BehaviorSetting, Behavior]]) -> dict[str, Panel]:
    """The judges of every behavior that is replied to, by its label."""
    replies = study.replies
    if replies is None:
        return {}
    labels = [model.label for model in study.models]
    return {
        setting.label: panel_for(replies, setting.label, behavior)
        for setting, behavior in behaviors
        if any(replies.wants(label, setting.label, behavior.is_choice) for label in labels)
    }


def _require_approval(study: Study, folder: RunFolder, identity: str, approve: Approve) -> None:
    """Say what judging would cost before anything is run, and stop where that is not wanted.

    What a finished run has judged costs nothing more: a check of it asks nobody.
    """
    if study.replies is None or not any(judge.model for judge in study.replies.judges):
        return
    if folder.identity() == identity and judged_whole(folder, study.replies):
        return
    if (cost := plan_study(study).judging()) and not approve(cost):
        raise RunError("stopped before anything was run or spent")


def _named_dataset(setting: BehaviorSetting, study: Study) -> Behavior:
    behavior = dataset(located(setting.source, study.folder), limit=setting.limit, seed=study.seed)
    return replace(behavior, name=setting.name) if setting.name else behavior


def _vector_key(vectors: SteeringVector) -> str:
    return f"{vectors.provenance.pairs_hash}-{float(vectors.direction.double().sum()):.9e}"
