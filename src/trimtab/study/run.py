"""Running a study: data and judges first, then model by model, into the run folder."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from trimtab.data import Behavior
from trimtab.errors import ModelError, RunError, SettingError, TrimtabWarning
from trimtab.models import PromptError
from trimtab.monitors import PromptCondition
from trimtab.store.run_folder import RunFolder
from trimtab.study._contrast_parts import contrasts_of, read_behavior
from trimtab.study._measurable import measured_in_words, require_measurable
from trimtab.study._model_runner import Job, Work
from trimtab.study._recorder import RunRecorder, begin
from trimtab.study._stopped import raise_errors
from trimtab.study.divided.team import Team, team_of
from trimtab.study.given import Given
from trimtab.study.measures.baselines.measure import BASELINES
from trimtab.study.measures.context import Progress
from trimtab.study.measures.diagnosis.measure import DIAGNOSIS, METHOD_SAMPLES
from trimtab.study.measures.diagnosis.settings import Diagnosis
from trimtab.study.measures.registry import MEASURES
from trimtab.study.measures.replies.judging import Panel, judged_whole, panel_for
from trimtab.study.measures.replies.measure import REPLIES
from trimtab.study.plan.price import price
from trimtab.study.ray.cluster import require_ray
from trimtab.study.ray.driver import run_side_by_side
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.run_place import run_place
from trimtab.study.settings.study_file import Study, require_names_of_their_own
from trimtab.vectors import SteeringVector

Approve = Callable[[str], bool]
"""(what it would cost) → whether to continue."""


def run_study(
    study: Study,
    out: str | Path | None = None,
    *,
    vectors: SteeringVector | None = None,
    given: Given | None = None,
    progress: Progress = lambda what, done, total: None,
    approve: Approve = lambda cost: True,
    ray: str | None = None,
    workers: int = 1,
) -> Path:
    """Run a study, or resume it where it was stopped, and return its folder.

    Args:
        study: what to run.
        out: the run folder; `runs/<name>` by default, or the next free `runs/<name>-2` if that holds another study.
        vectors: steer with these instead of extracting any; for one model and one behavior.
        given: models that are loaded already and pairs that are in no file, in place of what the study names.
        progress: called with (what, done, total).
        approve: called with what judging by language models, or another measure that pays for something, would cost at
            most, before anything is run or spent; when it returns False, nothing is. Judging is not part of it where a
            finished run holds all judgements.
        ray: run the models side by side on Ray: `local` for this machine, or the address of a cluster whose nodes
            see the same files. A Ray that this process is connected to already is used as it is.
        workers: on Ray, how many processes share the sweeps of each model, each with the model and one GPU
            where there are any.

    Raises:
        IncompleteRun: when a model cannot be loaded, or refuses to be asked some pairs, and the others are done.
        RunError: when the folder holds something else, the weights have changed since the run began, the cost is
            not approved, or Ray is not there.
        DataError, SettingError, ModelError, VectorError: for what they name.
    """
    MEASURES.load_tables()
    if vectors is not None and (made := [setting.label for setting in study.behaviors if setting.contrast]):
        raise SettingError(f"{made[0]}: its vector would be made of its contrast, and vectors are given; leave one out")
    require_shareable(study, ray, workers)
    team = team_of(study, ray)
    if ray is not None:
        require_ray(ray)
    given = given or Given()
    if ray is not None and given.holds_anything:
        raise RunError("models and pairs that are given as objects stay in this process: run without ray")
    for model in study.models:
        if model.label not in given.models:
            model.require_engine(here=ray is None)
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", TrimtabWarning)
        behaviors = [
            (setting, read_behavior(study, setting) if (whole := given.whole(setting.label)) is None else whole)
            for setting in study.behaviors
        ]
        require_measurable(study, behaviors)
        contrasts = contrasts_of(study, behaviors, given)
        for setting, behavior in behaviors:
            if words := measured_in_words(study, setting, behavior):
                warnings.warn(f"{behavior.name}: {words}", TrimtabWarning, stacklevel=2)
    require_names_of_their_own([behavior.name for _, behavior in behaviors])
    if study.answers is not None:
        for named, behavior in behaviors:
            study.answers.covers("", named.label, behavior.is_choice)  # refuses before anything is computed
    panels = _panels(study, behaviors)
    condition = study.condition
    identity = study.identity(
        [b.hash for _, b in behaviors]
        + [one.hash for one in contrasts.values()]
        + given.parts_hashes
        + ([_vector_key(vectors)] if vectors else [])
        + ([] if condition is None else [condition.gate.content_hash])
    )

    def choose() -> Path:
        path = run_place(study, out, identity)
        _require_approval(study, behaviors, given, RunFolder(path), identity, approve)
        return path

    with team.opened(choose, identity) as (folder, place):
        study = _as_the_folder_is(study, folder)
        recorder = begin(folder, study, identity)
        job = Job(_under_own_copy(study, folder, condition), behaviors, panels, vectors, contrasts, given)
        try:
            with recorder.recording_warnings():
                for doubt in doubts:  # about the data: for the report, too
                    warnings.warn(doubt.message, stacklevel=2)
                if ray is None:
                    _one_after_another(job, folder, recorder, progress, team)
                else:
                    run_side_by_side(job, recorder, progress, ray, workers)
        finally:
            if team.writes:
                recorder.repeat_warnings()  # also of a study that is stopped half-way
        recorder.finish(study)
    return place


def require_shareable(study: Study, ray: str | None, workers: int) -> None:
    """Refuse several workers for a model where they cannot be.

    Raises:
        SettingError: naming the model.
    """
    if workers < 1:
        raise SettingError(f"workers is a number from 1 on, not {workers}")
    if workers > 1 and ray is None:
        raise SettingError("several workers share the sweeps of a model on Ray: give --ray too, or ray='local'")
    for model in study.models if ray is not None else ():
        if (model.resources.workers or workers) > 1 and model.by_requests:
            raise SettingError(
                f"{model.label}: {model.engine} takes all requests of a sweep at once, so workers cannot share it; "
                "give it `resources: {workers: 1}`"
            )


def _one_after_another(job: Job, folder: RunFolder, recorder: RunRecorder, progress: Progress, team: Team) -> None:
    work = Work(job, folder, recorder, progress)
    stopped: dict[str, Exception] = {}
    for setting in job.study.models:
        if not team.takes_part(setting):
            continue
        try:
            with recorder.working_on(setting.label):
                work.one_model(setting)
        except (ModelError, PromptError) as error:  # about this model alone: the others go on
            stopped[setting.label] = error
            progress(f"{setting.label} is left out or incomplete", 1, 1)
        team.finished(setting)
        gc.collect()
        torch.cuda.empty_cache()  # another engine's processes could not use what this one holds
    raise_errors(stopped, len(job.study.models), folder)


def _as_the_folder_is(study: Study, folder: RunFolder) -> Study:
    """The study, extended by what its run folder has already.

    A run that was swept stays swept. A diagnosis made before the sweep looked at all pairs; with held-out prompts it is
    made again.
    """
    if folder.parts("samples") is not None:
        study = study.model_copy(update={"sweep": True})
    tables = folder.manifest().cached_tables if folder.identity() else ()
    diagnosed = [table.name for table in tables if table.measure == DIAGNOSIS.name]
    if study.sweep and diagnosed and study.diagnosis is None:
        methods = any(name.startswith(f"{DIAGNOSIS.name}/{METHOD_SAMPLES}") for name in diagnosed)
        return study.model_copy(update={"diagnosis": Diagnosis(methods=methods)})
    return study


def _under_own_copy(study: Study, folder: RunFolder, condition: PromptCondition | None) -> Study:
    """The study with the folder's copy of its monitor, which is written where there is none.

    The user's file may be fitted again or deleted while the study runs, and other machines may not see it.

    Args:
        study: As the user wrote it.
        folder: The folder in use.
        condition: The condition that is part of the run's identity; None: none.

    Raises:
        RunError: When the copy is of another monitor.
        VectorError: When it is damaged.
    """
    if study.when is None or condition is None:
        return study
    file = folder.monitor_file
    if not file.is_file():
        condition.monitor.save(file)
    pinned = study.model_copy(update={"when": study.when.model_copy(update={"monitor": str(file.absolute())})})
    if pinned.condition is None or pinned.condition.gate.content_hash != condition.gate.content_hash:
        raise RunError(
            f"{file}: is not the monitor under which this run was begun; delete it, and the run continues with "
            f"{study.when.monitor}"
        )
    return pinned


def _panels(study: Study, behaviors: Sequence[tuple[BehaviorSetting, Behavior]]) -> dict[str, Panel]:
    """The judges of every behavior that is replied to, by its label."""
    replies = study.replies
    if replies is None:
        return {}
    labels = [model.label for model in study.models]
    return {
        setting.label: panel_for(replies, setting.label, behavior)
        for setting, behavior in behaviors
        if any(replies.covers(label, setting.label, behavior.is_choice) for label in labels)
        and not REPLIES.unfit(behavior)
    }


def _require_approval(
    study: Study,
    behaviors: Sequence[tuple[BehaviorSetting, Behavior]],
    given: Given,
    folder: RunFolder,
    identity: str,
    approve: Approve,
) -> None:
    """Ask for approval of what services would charge, before anything is run.

    Replies that a finished run has judged cost nothing more: adding a measure to it calls no service.
    """
    paying = {name for name in study.measures if MEASURES.get(name).has_costs}
    if study.replies is not None and (
        not any(judge.paid for judge in study.replies.judges)
        or (folder.identity() == identity and judged_whole(folder, study.replies))
    ):
        paying.discard(REPLIES.name)
    if study.replies is None or not any(judge.paid for judge in study.replies.judges):
        paying.discard(BASELINES.name)
    if paying and (cost := price(study, behaviors, paying, given)) and not approve(cost):
        raise RunError("stopped before anything was run or spent")


def _vector_key(vectors: SteeringVector) -> str:
    made = vectors.provenance
    return "-".join([made.pairs_hash, f"{float(vectors.direction.double().sum()):.9e}", *made.origin_key])
