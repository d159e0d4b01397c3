"""The setting that a finished run says to use, with the model and the vector that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trimtab.analysis import Finding
from trimtab.errors import RunError, SettingError
from trimtab.report.results import analysed
from trimtab.report.verdict import Case, Evidence, cases
from trimtab.steering import SteeringSetting
from trimtab.store.run_folder import RunFolder
from trimtab.study._file_locations import located
from trimtab.study.reporting import read_run
from trimtab.study.resume import reopened
from trimtab.study.settings.model_setting import ModelSetting


@dataclass(frozen=True)
class SettingToUse:
    """A setting, and what it needs."""

    behavior: str
    model: ModelSetting
    model_id: str
    """What to load: the study's id, resolved against the folder of the study."""
    vectors: Path
    """The file of the vector."""
    layers: list[int]
    strength: float
    steering: SteeringSetting
    """Scale, positions and the other options of the study."""
    chosen_by: str
    """`replies` or `scores`."""

    def require_own_directions(self) -> None:
        """Refuse a setting that pushes layers along the direction of another one, where each is taken as it is.

        Raises:
            SettingError: with what to do instead.
        """
        if self.steering.vector_layer is not None:
            raise SettingError(
                f"{self.behavior} in {self.model.label}: the run pushed along the direction of layer "
                f"{self.steering.vector_layer} behind others, and here each layer has its own; make a vector that has "
                "it there (SteeringVector.from_directions), and name its file"
            )


@dataclass(frozen=True, eq=False)
class Recommendation:
    """A setting, and what was measured that recommends it."""

    use: SettingToUse
    evidence: Evidence
    case: Case
    findings: tuple[Finding, ...]
    """About the behavior in the model, or the whole run, in the order of the report."""
    warnings: tuple[str, ...]
    """Of the whole run, in its order."""


def setting_to_use(run: Path, model: str = "", behavior: str = "") -> SettingToUse:
    """The setting that the report of a run recommends; see `recommendation`."""
    return recommendation(run, model, behavior).use


def recommendation(run: Path, model: str = "", behavior: str = "") -> Recommendation:
    """The setting that the report of a run recommends, with what was measured.

    Args:
        run: The run folder.
        model: Its label; may be left out where the run has one.
        behavior: Its name; may be left out where the run has one.

    Raises:
        RunError: When it is no run folder, has no such model or behavior, or nothing in it is shown to work.
    """
    study, _ = reopened(run, {})
    tables = read_run(run)
    results = analysed([tables])
    found = list(cases(results))
    case = _only(run, [c for c in found if model in ("", c.model) and behavior in ("", c.behavior)], found)
    evidence = case.setting
    if evidence is None:
        raise RunError(f"{run}: no setting is shown to work for {case.behavior} in {case.model}; see its report")
    setting = next(one for one in study.models if one.label == case.model)
    row = evidence.row
    use = SettingToUse(
        behavior=case.behavior,
        model=setting,
        model_id=located(setting.id, study.folder),
        vectors=RunFolder(run).vector_file(case.model, case.behavior),
        layers=[int(layer) for layer in str(row["layers"]).split("+")],
        strength=float(row["strength"]),
        steering=study.steering(str(row["scale"])),
        chosen_by="replies" if case.judged else "scores",
    )
    mine = tuple(finding for finding in results.findings if _is_about(finding, case))
    return Recommendation(use, evidence, case, mine, tuple(tables.manifest.get("warnings", ())))


def _is_about(finding: Finding, case: Case) -> bool:
    """Whether a finding is about a case, or about nothing less than the run."""
    return not finding.subjects or any(
        one.behavior in ("", case.behavior) and one.model in ("", case.model) for one in finding.subjects
    )


def _only(run: Path, wanted: list[Case], every: list[Case]) -> Case:
    """The one case that was asked for."""
    if len(wanted) == 1:
        return wanted[0]
    known = ", ".join(f"{case.behavior} in {case.model}" for case in every)
    which = "several settings" if wanted else "no such setting"
    raise RunError(f"{run}: has {which}; choose with --behavior and --model among {known}")
