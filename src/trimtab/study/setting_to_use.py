"""The setting that a finished run says to use, with the model and the vector that it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trimtab._util.suggest import nearest_words
from trimtab._util.summaries import Summarized, Summary
from trimtab.engines import Model, load
from trimtab.errors import RunError, SettingError
from trimtab.monitors import PromptCondition
from trimtab.report.results import analysed
from trimtab.steering import SteeringSetting, layers_label
from trimtab.study._file_locations import located
from trimtab.study.recommending.recommendations import (
    Recommendation,
    recommendations,
    recommended_file,
    tables_hash,
)
from trimtab.study.recommending.recommended_file import (
    RECOMMENDED,
    MeasuredSetting,
    RecommendedFile,
    RecommendedSetting,
    read_recommended,
)
from trimtab.study.reporting import read_run
from trimtab.study.resume import reopened
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.vectors import SteeringVector


@dataclass(frozen=True, repr=False)
class SettingToUse(Summarized):
    """A setting, and what it needs: `model.steer(use.vector, **use.options)`."""

    behavior: str
    model: ModelSetting
    model_id: str
    """What to load: the study's id, resolved against the folder of the study."""
    vectors: Path
    """The file of the vector."""
    layers: list[int]
    strength: float
    steering: SteeringSetting
    """Scale, positions and the other options of the study, its condition on the prompt among them."""
    condition: PromptCondition | None = None
    """The condition on the prompt under which is pushed, the gate of `steering`; None: always."""
    measured: MeasuredSetting | None = None
    """What the run measured, at the setting that it chose; None for a setting that was added by hand."""
    edited: str = ""
    """How the setting differs from the one that was measured, in words; empty where it does not."""
    warnings: tuple[str, ...] = ()

    @property
    def chosen_by(self) -> str:
        """`replies` or `scores`; empty for a setting that was added by hand."""
        return "" if self.measured is None else self.measured.chosen_by

    @property
    def options(self) -> dict[str, Any]:
        """What `model.steer` takes; a `gate` where the setting has a condition on the prompt."""
        how = self.steering
        shared = {"share_strength": True} if how.share_strength else {}
        elsewhere = {} if how.vector_layer is None else {"vector_layer": how.vector_layer}
        return {
            "layer": self.layers[0] if len(self.layers) == 1 else tuple(self.layers), "strength": self.strength,
            "scale": how.scale, "positions": how.positions, "first_token": how.first_token, **shared, **elsewhere,
            **({} if how.gate is None else {"gate": how.gate}),
        }  # fmt: skip

    @property
    def check_options(self) -> dict[str, Any]:
        """What checks such as `trimtab.side_effects` take: as `options`, with `when` in place of a gate.

        Raises:
            SettingError: For a push that checks of one setting cannot make (`share_strength`, `vector_layer`), or when
                the monitor's file holds another one by now.
        """
        options = self.options
        for name in ("share_strength", "vector_layer"):
            if name in options:
                raise SettingError(
                    f"{self.behavior} in {self.model.label}: the setting has {name}, which checks in Python do not "
                    f"take; measure it in its run (`trimtab side-effects RUN`, `trimtab robustness RUN`), or in a "
                    f"study file with `{name}: {str(options[name]).lower()}`"
                )
        found = {name: value for name, value in options.items() if name != "gate"}
        return found if self.condition is None else {**found, "when": self.condition.setting()}

    @cached_property
    def vector(self) -> SteeringVector:
        """The vector, read from its file."""
        return SteeringVector.load(self.vectors)

    def load_model(self) -> Model:
        """The model, loaded as the run loaded it."""
        return load(self.model_id, **self.model.load_options)

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

    def require_always(self, whom: str) -> None:
        """Refuse a setting with a condition on the prompt, for what would push always.

        Args:
            whom: What would, in words.

        Raises:
            SettingError: with what to do instead.
        """
        if self.steering.gate is not None:
            raise SettingError(
                f"{self.behavior} in {self.model.label}: the run steered {self.steering.gate}, and {whom} would push "
                "everywhere, which was not measured; make a run without `when`"
            )

    def _summary(self) -> Summary:
        how = f"layer {layers_label(tuple(self.layers))} at {self.strength:+g} ({self.steering.scale})"
        how += "" if self.condition is None else f", {self.condition}"
        facts = {"behavior": repr(self.behavior), "model": f"in {self.model.label}", "setting": how}
        said = () if self.measured is None else (self.measured.statement,)
        return Summary(facts, below=(f"edited: {self.edited}", *said) if self.edited else said)


def setting_to_use(run: str | Path, model: str = "", behavior: str = "") -> SettingToUse:
    """The setting that a run recommends, or what its `recommended.yaml` was changed to.

    It is read from that file; where the run has none, or holds more than when it was written, it is computed from the
    tables, as the report does. A setting that was changed by hand is returned as it stands, with `edited`.

    Args:
        run: The run folder, or its `recommended.yaml`.
        model: Its name in the run; may be left out where the run has one.
        behavior: Its name; may be left out where the run has one.

    Raises:
        RunError: When it is no run folder, has no such model or behavior, or nothing in it is shown to work.
        SettingError: When `recommended.yaml` is broken, with the line.
    """
    path = Path(run)
    folder, file = (path.parent, path) if path.is_file() else (path, path / RECOMMENDED)
    if not file.is_file():
        return _of(_only(folder, _computed(folder), model, behavior), folder)
    found = read_recommended(file)
    entries = [one for one in found.settings if model in ("", one.model) and behavior in ("", one.behavior)]
    by_hand = len(entries) == 1 and bool(entries[0].edited)
    if not by_hand and tables_hash(folder) not in ("", found.tables):
        found = _computed(folder)
    return _of(_only(file, found, model, behavior), folder)


def setting_for_model(run: str | Path, model: str, behavior: str = "") -> SettingToUse:
    """The setting that a run recommends for a model that is loaded already; see `setting_to_use`.

    Args:
        run: The run folder, or its `recommended.yaml`.
        model: What was loaded. Where the run has no model of that name, it must have a single one.
        behavior: Its name; may be left out where the run has one.

    Raises:
        RunError: As `setting_to_use`.
        SettingError: As `setting_to_use`.
    """
    try:
        return setting_to_use(run, model, behavior)
    except RunError:
        return setting_to_use(run, "", behavior)


def recommendation(run: Path, use: SettingToUse) -> Recommendation:
    """What a run measured of a setting that it recommends, with findings and warnings.

    Args:
        run: The run folder, or its `recommended.yaml`.
        use: A setting of it that was not changed by hand.

    Raises:
        RunError: When the run recommends none any more.
    """
    folder = run.parent if run.is_file() else run
    tables, wanted = read_run(folder), (use.behavior, use.model.label)
    for one in recommendations(folder, tables, analysed([tables])):
        if isinstance(one, Recommendation) and (one.setting.behavior, one.setting.model) == wanted:
            return one
    raise RunError(f"{run}: no setting is shown to work for {use.behavior} in {use.model.label}; see its report")


def model_of_run(run: Path, model: str = "") -> tuple[str, ModelSetting]:
    """What to load for a run: the id of a model, resolved against the folder of the study, and how it was loaded.

    Args:
        run: The run folder.
        model: Its name in the run; may be left out where the run has one.

    Raises:
        RunError: When it is no run folder, or has several models or none of this name.
    """
    study, _ = reopened(run, {})
    labels = [one.label for one in study.models]
    if model and model not in labels:
        near = nearest_words(model, labels) or labels
        raise RunError(f"{run}: has no model {model!r}; did you mean {', '.join(near)}?")
    if not model and len(labels) > 1:
        raise RunError(f"{run}: has several models; say which with --model: {', '.join(labels)}")
    found = next(one for one in study.models if model in ("", one.label))
    return located(found.id, study.folder), found


def _computed(folder: Path) -> RecommendedFile:
    tables = read_run(folder)
    return recommended_file(folder, tables, analysed([tables]))


def _of(setting: RecommendedSetting, folder: Path) -> SettingToUse:
    return SettingToUse(
        behavior=setting.behavior,
        model=setting.load,
        model_id=setting.load.id,
        vectors=folder / setting.vector,
        layers=list(setting.layers),
        strength=setting.strength,
        steering=setting.steering(folder),
        condition=setting.condition(folder),
        measured=setting.measured,
        edited=setting.edited,
        warnings=setting.warnings,
    )


def _only(source: Path, found: RecommendedFile, model: str, behavior: str) -> RecommendedSetting:
    """The one setting that was asked for."""

    def fits(one: Any) -> bool:
        return model in ("", one.model) and behavior in ("", one.behavior)

    wanted = [one for one in found.settings if fits(one)]
    if len(wanted) == 1:
        return wanted[0]
    without = [one for one in found.none_shown if fits(one)]
    if not wanted and len(without) == 1:
        (one,) = without
        raise RunError(
            f"{source}: no setting is shown to work for {one.behavior} in {one.model}; see the report of the run"
        )
    known = _named([*found.settings, *found.none_shown])
    which = "several settings" if wanted else "no such setting"
    raise RunError(f"{source}: has {which}; choose with --behavior and --model among {known}")


def _named(entries: Sequence[Any]) -> str:
    return ", ".join(f"{one.behavior} in {one.model}" for one in entries)
