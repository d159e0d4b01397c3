"""What a run recommends: the settings that its report names, each with what was measured there."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.analysis import Finding
from trimtab.analysis.scores.score_sentences import UNITS
from trimtab.errors import SettingError, TrimtabError, TrimtabWarning
from trimtab.report import RunTables
from trimtab.report.results import Results
from trimtab.report.verdict import Case, Evidence, cases, sentence
from trimtab.steering import SCALES
from trimtab.steering.scales.percentiles import PERCENTILE_OF
from trimtab.store.run_folder import RunFolder
from trimtab.store.table_folder import MONITOR
from trimtab.study._file_locations import located
from trimtab.study.recommending.recommended_file import (
    LAYOUT,
    RECOMMENDED,
    Effect,
    MeasuredSetting,
    Pushed,
    RecommendedFile,
    RecommendedSetting,
    WithoutSetting,
    finite,
    read_recommended,
    write_recommended,
)
from trimtab.study.resume import reopened
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.study_file import Study

_QUALITY = ("coherence", "fluency", "on_topic")


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A setting that a run recommends, and everything that its report says about it."""

    setting: RecommendedSetting
    findings: tuple[Finding, ...]
    """About the behavior in the model, or the whole run, in the order of the report."""
    warnings: tuple[str, ...]
    """Of the whole run, in its order."""


def recommendations(path: Path, tables: RunTables, results: Results) -> Iterator[Recommendation | WithoutSetting]:
    """What a run says of each behavior in each model, in the order of its report.

    Args:
        path: The run folder.
        tables: What is in it.
        results: The analysis of these tables alone.

    Raises:
        RunError: When it is no run folder, or its results were imported.
    """
    study, _ = reopened(path, {})
    every = tuple(tables.manifest.get("warnings", ()))
    for case in cases(results):
        if case.setting is None:
            yield WithoutSetting(behavior=case.behavior, model=case.model, statement=sentence(case))
            continue
        findings = tuple(finding for finding in results.findings if _is_about(finding, case))
        cautions = tuple(finding.text for finding in findings if finding.kind == "caution")
        setting = _setting(case, case.setting, study, path, tables, (*cautions, *every))
        yield Recommendation(setting, findings, every)


def recommended_file(path: Path, tables: RunTables, results: Results) -> RecommendedFile:
    """The content of `recommended.yaml`; see `recommendations`."""
    found = list(recommendations(path, tables, results))
    return RecommendedFile(
        format=LAYOUT,
        tables=tables_hash(path),
        settings=tuple(one.setting for one in found if isinstance(one, Recommendation)),
        none_shown=tuple(one for one in found if isinstance(one, WithoutSetting)),
    )


def save_recommended(path: Path, tables: RunTables, results: Results) -> None:
    """Write `recommended.yaml` into a run, beside its report; settings that were changed by hand stay as they are.

    A run without vectors, as an imported one, has nothing to recommend. Where the file cannot be made a warning says
    why: the report does not depend on it.
    """
    if not tables.manifest.get("vectors"):
        return
    try:
        found = recommended_file(path, tables, results)
        if (path / RECOMMENDED).exists():
            found = _with_edits(found, read_recommended(path / RECOMMENDED), path / RECOMMENDED)
        write_recommended(found, path)
    except TrimtabError as error:
        reason = f"{error}; correct or delete it" if isinstance(error, SettingError) else str(error)
        warnings.warn(f"{RECOMMENDED} is not written: {reason}", TrimtabWarning, stacklevel=2)


def pairs_of(setting: RecommendedSetting, study: Study) -> tuple[BehaviorSetting, str] | None:
    """The behavior of a study that a setting is for, and where its pairs are; None where its name does not say it."""
    named = (one for one in study.behaviors if setting.behavior in (one.label, Path(one.source).stem))
    return next(((one, located(one.source, study.folder)) for one in named), None)


def tables_hash(path: Path) -> str:
    """Hash of what a recommendation depends on: the parts of the run's tables, and how replies are judged.

    Empty where the folder holds no run, as one into which only the file and a vector were copied.
    """
    folder = RunFolder(path)
    if not folder.identity():
        return ""
    replies = folder.manifest().settings.get("replies")
    content = json.dumps([folder.identity(), folder.part_sizes(), replies], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _with_edits(found: RecommendedFile, before: RecommendedFile, file: Path) -> RecommendedFile:
    """What is recommended now, with the settings that a person has changed or added as they were."""
    edited = {(one.behavior, one.model): one for one in before.settings if one.edited}
    settings = []
    for new in found.settings:
        old = edited.pop((new.behavior, new.model), None)
        measured = {"measured": new.measured, "warnings": new.warnings}
        settings.append(new if old is None else old.model_copy(update=measured))
        if old is not None and settings[-1].edited:
            warnings.warn(
                f"{file}: the setting of {new.behavior} in {new.model} was changed by hand and stays "
                f"({settings[-1].edited})",
                TrimtabWarning,
                stacklevel=3,
            )
    added = [one for one in edited.values() if one.measured is None]
    return found.model_copy(update={"settings": (*settings, *added)})


def _setting(
    case: Case, evidence: Evidence, study: Study, path: Path, tables: RunTables, notes: tuple[str, ...]
) -> RecommendedSetting:
    row = evidence.row
    model = next(one for one in study.models if one.label == case.model)
    source = located(model.id, study.folder)
    scale, strength = _as_pushed(case, row, study, tables)
    how = study.steering(scale)
    vector = RunFolder(path).vector_file(case.model, case.behavior).relative_to(path).as_posix()
    pushed = Pushed(
        vector=vector, layers=tuple(int(layer) for layer in str(row["layers"]).split("+")), strength=strength,
        scale=how.scale, positions=how.positions, first_token=how.first_token, share_strength=how.share_strength,
        vector_layer=how.vector_layer,
        when=None if study.when is None else study.when.model_copy(update={"monitor": MONITOR}),
    )  # fmt: skip
    return RecommendedSetting(
        behavior=case.behavior,
        model=case.model,
        load=model.model_copy(update={"id": source, "name": "" if source == model.label else model.label}),
        **dict(pushed),
        measured=MeasuredSetting(
            at=pushed,
            chosen_by="replies" if case.judged else "scores",
            judge=str(row["judge"]) if case.judged else "",
            effect=_effect(row, by_replies=case.judged),
            prompts=int(row["n"]),
            held_out=bool(row["held_out"]),
            statement=sentence(case),
            quality=_quality(row),
        ),
        warnings=tuple(dict.fromkeys(notes)),
    )


def _as_pushed(case: Case, row: Any, study: Study, tables: RunTables) -> tuple[str, float]:
    """Scale and strength that push: of a dose in nats the relative strength found for it, of a percentile its bound."""
    scale, strength = str(row["scale"]), float(row["strength"])
    if scale in PERCENTILE_OF.values():
        found = tables.bound_at(case.model, case.behavior, int(str(row["layers"])), strength)
        return found or (scale, strength)
    if not SCALES.get(scale).calibrated or tables.dose is None:
        return scale, strength
    dose = tables.dose
    mine = (dose["model"] == case.model) & (dose["behavior"] == case.behavior) & (dose["scale"] == scale)
    cell = dose[mine & (dose["layers"] == str(row["layers"])) & (dose["strength"] == strength)]
    if cell.empty:
        return scale, strength
    # The table holds the push of each layer; layers that share a strength have a part of it each.
    layers = len(str(row["layers"]).split("+")) if study.share_strength else 1
    return "relative", float(cell["relative"].iloc[0]) * layers


def _effect(row: Any, *, by_replies: bool) -> Effect:
    measure, unit, column = f"scores ({row.get('scoring')})", UNITS.get(str(row.get("scoring")), ""), "delta"
    if by_replies:
        measure, unit, column = "judged replies", "points on a scale of −10 to 10", "change"
    low, high = (finite(row[f"{column}_{end}"]) for end in ("low", "high"))
    return Effect(measure=measure, unit=unit, change=float(f"{row[column]:.6g}"), low=low, high=high)


def _quality(row: Any) -> dict[str, float]:
    """What the replies at the setting and without steering are like, of 10."""
    names = [name for name in _QUALITY if name in row and (name != "coherence" or row["rated"] > 0)]
    found = {key: finite(row[key]) for name in names for key in (name, f"{name}_unsteered")}
    return {key: value for key, value in found.items() if value is not None}


def _is_about(finding: Finding, case: Case) -> bool:
    """Whether a finding is about a case, or about nothing less than the run."""
    return not finding.subjects or any(
        one.behavior in ("", case.behavior) and one.model in ("", case.model) for one in finding.subjects
    )
