"""The push that a chat begins with: what a run or a shared folder recommends for a vector, else the usual strength."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from trimtab.monitors import PromptCondition
from trimtab.sharing import receive_vector
from trimtab.sharing.vector_places import is_shared
from trimtab.steering import SCALES, SteeringSetting
from trimtab.study.recommending.recommended_file import RECOMMENDED, read_recommended
from trimtab.study.setting_to_use import SettingToUse
from trimtab.vectors import SteeringVector


@dataclass(frozen=True, eq=False)
class Beginning:
    """A vector and how it is pushed, with a sentence on where that is from."""

    vector: SteeringVector
    layers: tuple[int, ...]
    strength: float
    setting: SteeringSetting = field(default_factory=SteeringSetting)
    statement: str = ""
    condition: PromptCondition | None = None
    """Under which replies are pushed, in place of the gate of `setting`; None: always, or nothing says."""
    recommended: bool = False
    """Whether a run or a shared folder recommends it, so that without a condition it is always pushed."""


def beginning_of(path: Path) -> Beginning | None:
    """What is recommended for a vector: by the folder that it was shared as, or the run whose file it is.

    None where nothing is.

    Raises:
        VectorError: When the file is damaged.
        SettingError: When the run's `recommended.yaml` is.
    """
    if not path.exists():
        return None
    if is_shared(path):
        received = receive_vector(path)
        use = received.steering.setting
        how = replace(received.how, gate=None)
        said = f"as {path} recommends"
        return Beginning(received.vector, use.layers, use.strength, how, said, received.condition, True)
    file = path.resolve().parent.parent / RECOMMENDED
    if not file.is_file():
        return None
    for one in read_recommended(file).settings:
        if (file.parent / one.vector).resolve() == path.resolve():
            vector = SteeringVector.load(path)
            how, condition = replace(one.steering(file.parent), gate=None), one.condition(file.parent)
            said = f"as the run {file.parent} recommends"
            return Beginning(vector, one.layers, one.strength, how, said, condition, True)
    return None


def usual_beginning(vector: SteeringVector, layers: tuple[int, ...], setting: SteeringSetting) -> Beginning:
    """The usual strength of a scale, at the layers given or in the upper middle of the model.

    A place to start from, not a claim: a sweep knows better.
    """
    strength = SCALES.get(setting.scale).usual_strength
    about = f"strength {strength:g} is the usual one of {setting.scale}"
    if layers:
        return Beginning(vector, layers, strength, setting, f"{about}; a sweep finds the one that works")
    layer = first_layer(vector)
    about = f"{about}, and layer {layer} a guess; trimtab tune finds what works"
    return Beginning(vector, (layer,), strength, setting, about)


def of_run(use: SettingToUse) -> Beginning:
    """The setting that a run recommends, with what was measured at it."""
    measured = "" if use.measured is None else use.measured.statement
    edited = f"changed by hand: {use.edited}" if use.edited else ""
    statement = "\n".join(text for text in (edited, measured) if text)
    how = replace(use.steering, gate=None)
    return Beginning(use.vector, tuple(use.layers), use.strength, how, statement, use.condition, True)


def first_layer(vector: SteeringVector) -> int:
    """The layer with a direction that is nearest to three fifths of the model's depth."""
    return min(vector.layers, key=lambda layer: abs(layer - round(0.6 * vector.n_layers)))
