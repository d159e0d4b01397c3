"""Which vector is pushed, where and how far: from a file, a run, a shared folder, or a folder of vectors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trimtab._util.suggest import hint
from trimtab.errors import SettingError
from trimtab.harnesses._arguments import parse_layers, parse_strength
from trimtab.inputs.bounded_files import expand_user
from trimtab.models import Backbone, Identity
from trimtab.sharing import receive_vector
from trimtab.sharing.vector_places import is_run, is_shared, named_places
from trimtab.steering import SCALES, Cell, Intervention, PromptGate, SteeringSetting, check_strength, require_fit
from trimtab.study.setting_to_use import setting_for_model
from trimtab.vectors import SteeringVector, layer_ranges


@dataclass(frozen=True, eq=False)
class Push:
    """A vector with the setting that it is pushed with."""

    name: str
    vector: SteeringVector
    layers: tuple[int, ...] = ()
    """Empty where nothing says which."""
    strength: float | None = None
    setting: SteeringSetting = field(default_factory=SteeringSetting)
    source: str = ""
    """The file or run that it is from."""
    load_options: Mapping[str, Any] = field(default_factory=dict)
    """How its run loaded the model, where it is from a run of this model."""

    def intervention(self, identity: Identity) -> tuple[Intervention, dict[str, Any]]:
        """The push in one model, and what it is, for logs.

        Raises:
            VectorError: For a vector of a model of another shape.
            SettingError: For a layer at which it has no direction, and a strength that pushes nothing.
        """
        vector, strength = require_fit(self.vector, identity), self.strength
        if strength is None:
            strength = SCALES.get(self.setting.scale).usual_strength
        check_strength(strength)
        if isinstance(self.setting.gate, PromptGate) and not isinstance(identity, Backbone):
            raise SettingError(
                f"{self.source}: {self.name} is pushed {self.setting.gate}, which only the engine transformers decides"
            )
        if not self.layers:
            raise SettingError(
                f"{self.source}: nothing says at which layer to push {self.name}; give layer "
                f"(it has directions at {layer_ranges(vector.layers)})"
            )
        cell = Cell(self.layers, strength)
        return self.setting.intervention(vector, cell), self._description(vector, cell)

    def _description(self, vector: SteeringVector, cell: Cell) -> dict[str, Any]:
        how = self.setting
        return {
            "vector": self.name,
            "vector_hash": vector.content_hash,
            "source": self.source,
            "layers": list(cell.layers),
            "strength": cell.strength,
            "scale": how.scale,
            "positions": how.positions,
            "first_token": how.first_token,
            "share_strength": how.share_strength,
            "vector_layer": how.vector_layer,
            **({"when": str(how.gate)} if isinstance(how.gate, PromptGate) else {}),
        }


def changed(push: Push, place: Mapping[str, Any], options: Mapping[str, Any]) -> Push:
    """A push with the layer, strength and options that were given beside it.

    Raises:
        SettingError: For values of another kind, or that cannot be combined.
    """
    now = {name: getattr(push.setting, name) for name in ("scale", "positions", "first_token", "share_strength",
                                                          "vector_layer")}  # fmt: skip
    if "scale" in options and options["scale"] != push.setting.scale and "strength" not in place and push.strength:
        raise SettingError(
            f"scale {options['scale']}: the strength that {push.source} recommends is {push.setting.scale}; give "
            "strength too"
        )
    return replace(
        push,
        layers=parse_layers(place["layer"]) if "layer" in place else push.layers,
        strength=parse_strength(place["strength"]) if "strength" in place else push.strength,
        # The condition of a run stays: it is no option.
        setting=replace(SteeringSetting.from_mapping({**now, **options}), gate=push.setting.gate),
    )


def of_file(path: str) -> Push:
    """The vector of a file, of trimtab or another program, or of a folder that was shared, with its setting.

    Raises:
        VectorError: When it is damaged or no vector.
    """
    place = expand_user(path)
    if is_shared(place):
        return _shared(place)
    return Push(place.stem, SteeringVector.read(place), source=str(place))


def _shared(place: Path) -> Push:
    received = receive_vector(place)
    use = received.steering.setting
    return Push(received.steering.behavior, received.vector, use.layers, use.strength, received.how, str(place))


def of_run(run: Path, model: str, behavior: str) -> Push:
    """The setting that a run recommends for a behavior, which may be left out where it has one.

    Args:
        run: The folder, or its `recommended.yaml`.
        model: What is loaded; looked for among the models of the run where it has several.
        behavior: Its name in the run, or "".

    Raises:
        RunError: Where the run recommends none.
    """
    use = setting_for_model(run, model, behavior)
    mine = model in (use.model.id, use.model_id, use.model.label)
    options = use.model.load_options if mine else {}
    return Push(use.behavior, use.vector, tuple(use.layers), use.strength, use.steering, str(run), options)


def named(name: str, place: Path, model: str) -> Push:
    """The vector of a name in a folder of vectors, or the behavior of that name in a run.

    Raises:
        SettingError: Where there is none of that name.
        RunError: Where the run recommends no setting for it.
    """
    if is_run(place):
        return of_run(place, model, name)
    if not place.is_dir():
        raise SettingError(f"{place}: no such folder or run to look for the vector {name!r} in")
    if is_shared(place):
        found = _shared(place)
        if found.name != name:
            raise SettingError(f"{place}: the vector there is {found.name!r}, not {name!r}")
        return found
    there = named_places(place)
    if name not in there:
        raise SettingError(f"{place}: no vector {name!r} there{hint(name, there, 'vectors')}")
    return of_file(str(there[name]))
