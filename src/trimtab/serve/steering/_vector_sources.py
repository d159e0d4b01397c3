"""Where a server's vectors come from: files, folders of files, shared folders, and runs with their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, SettingError, VectorError
from trimtab.models import Identity
from trimtab.models.fingerprint import difference
from trimtab.serve.steering._run_measurements import run_measurements
from trimtab.sharing import receive_vector
from trimtab.sharing.vector_places import SUFFIX, is_run, is_shared, named_places
from trimtab.steering import PromptGate, SteeringSetting
from trimtab.store.run_folder import MANIFEST, RunFolder
from trimtab.study.recommending.recommended_file import RECOMMENDED, MeasuredSetting, read_recommended
from trimtab.study.reporting import read_run
from trimtab.study.setting_to_use import setting_to_use
from trimtab.vectors import SteeringVector


@dataclass(frozen=True)
class RecommendedPush:
    """How to push a vector, as a run or the person who shared it says."""

    layers: tuple[int, ...]
    strength: float
    """Of all layers together where `setting.share_strength` is set, else of each."""
    setting: SteeringSetting
    edited: str = ""
    """How it differs from what was measured, in words; empty where it does not."""

    def description(self) -> dict[str, Any]:
        """As JSON."""
        how = self.setting
        return {
            "layers": list(self.layers),
            "strength": self.strength,
            "scale": how.scale,
            "positions": how.positions,
            "first_token": how.first_token,
            "share_strength": how.share_strength,
            "vector_layer": how.vector_layer,
            **({"when": str(how.gate)} if isinstance(how.gate, PromptGate) else {}),
            "edited": self.edited or None,
        }


@dataclass(frozen=True)
class MeasuredPlace:
    """Where a vector stands with what was measured of it: a run, or a folder that was shared."""

    path: Path
    behavior: str
    model: str = ""
    """Its label in the run; empty for a shared folder."""


@dataclass(frozen=True, eq=False)
class FoundVector:
    """A vector as its source has it."""

    name: str
    vector: SteeringVector
    file: Path
    """Where it was found, for messages."""
    recommended: RecommendedPush | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    place: MeasuredPlace | None = None
    """None for a vector file."""


def vectors_in(path: Path, identity: Identity) -> Iterator[FoundVector]:
    """The vectors of a file or a folder.

    Args:
        path: a vector file; a `recommended.yaml`; a run folder; a folder that `trimtab hub push` wrote; or a folder of
            vector files.
        identity: the model that is served: of a run, its vectors are taken and those of other models are not.

    Raises:
        VectorError: when a file is damaged.
        SettingError: when there is no vector.
        RunError: when a run cannot be read.
    """
    if is_run(path):
        return _of_run(path.parent if path.name == RECOMMENDED else path, identity)
    if is_shared(path):
        return _shared(path)
    if path.is_dir():
        return _of_folder(path)
    return iter([_of_file(path)])


def _of_file(path: Path) -> FoundVector:
    return FoundVector(path.stem, SteeringVector.read(path), path)


def _of_folder(path: Path) -> Iterator[FoundVector]:
    places = named_places(path).values()
    if not places:
        raise SettingError(f"{path}: holds no vectors ({SUFFIX} files) and is no run; name another folder")
    for place in places:
        yield from _shared(place) if is_shared(place) else [_of_file(place)]


def _shared(path: Path) -> Iterator[FoundVector]:
    received = receive_vector(path)
    use = received.steering.setting
    effect = received.steering.effect
    yield FoundVector(
        received.steering.behavior,
        received.vector,
        path,
        RecommendedPush(use.layers, use.strength, received.how),
        {} if effect is None else {"effect": asdict(effect), "statement": effect.statement},
        ("the setting and the effect are what the person who shared the vector states",),
        MeasuredPlace(path, received.steering.behavior),
    )


def _of_run(path: Path, identity: Identity) -> Iterator[FoundVector]:
    """The vectors of a run that are of this model; those of other models are not its, and no error."""
    folder, found, others = RunFolder(path), 0, []
    for model, behavior, file in _files_of_run(folder):
        vector = SteeringVector.load(file)
        made = vector.provenance
        if difference(made.fingerprint, identity.fingerprint) not in ("", "unknown"):
            others.append(f"{behavior} is of {model}")
            continue
        found += 1
        yield _with_setting(FoundVector(behavior, vector, file), path, model)
    if not found:
        reason = f": {'; '.join(dict.fromkeys(others))}" if others else ""
        raise VectorError(f"{path}: the run has no vector of these weights of {identity.name}{reason}")


def _files_of_run(folder: RunFolder) -> list[tuple[str, str, Path]]:
    """(model, behavior, file) of every vector of a run, or of a folder that only a `recommended.yaml` stands in."""
    if not (folder.path / MANIFEST).is_file():
        entries = read_recommended(folder.path / RECOMMENDED).settings
        return [(one.model, one.behavior, folder.path / one.vector) for one in entries]
    entries_of_run = folder.manifest().vectors
    return [(one.model, one.behavior, folder.vector_file(one.model, one.behavior)) for one in entries_of_run]


def _with_setting(found: FoundVector, run: Path, model: str) -> FoundVector:
    """The vector with the setting that its run recommends, where it recommends one."""
    place = MeasuredPlace(run, found.name, model)
    try:
        use = setting_to_use(run, model, found.name)
    except RunError as error:
        more = run_measurements(run, model, found.name, None)
        return FoundVector(found.name, found.vector, found.file, None, more, (_without_path(str(error), run),), place)
    push = RecommendedPush(tuple(use.layers), use.strength, use.steering, use.edited)
    measured = {} if use.measured is None else _measured(use.measured, run, model, found.name)
    measured |= run_measurements(run, model, found.name, use.steering)
    edited = (f"the setting was changed by hand: {use.edited}",) if use.edited else ()
    return FoundVector(found.name, found.vector, found.file, push, measured, (*edited, *use.warnings), place)


def _without_path(text: str, run: Path) -> str:
    """A message for clients, who are not to learn where files are."""
    return text.replace(f"{run / RECOMMENDED}: ", "").replace(f"{run}: ", "")


def _measured(found: MeasuredSetting, run: Path, model: str, behavior: str) -> dict[str, Any]:
    """What a run measured at its recommended setting: effect, quality, dose."""
    effect = found.effect.model_dump(mode="json")
    return {
        "effect": effect,
        "prompts": found.prompts,
        "held_out": found.held_out,
        "chosen_by": found.chosen_by,
        "statement": found.statement,
        "quality": dict(found.quality) or None,
        "dose": _dose(found, run, model, behavior),
    }


def _dose(found: MeasuredSetting, run: Path, model: str, behavior: str) -> dict[str, Any] | None:
    """The dose in nats at the setting, where the run measured doses there."""
    if not (run / MANIFEST).is_file():
        return None
    table = read_run(run).dose
    if table is None:
        return None
    layers, at = "+".join(map(str, found.at.layers)), found.at
    mine = table[(table["model"] == model) & (table["behavior"] == behavior) & (table["layers"] == layers)]
    there = mine[((mine["scale"] == at.scale) & (mine["strength"] == at.strength)) | (mine["relative"] == at.strength)]
    return None if there.empty else {"kl": float(there["kl"].iloc[0]), "unit": "nats"}
