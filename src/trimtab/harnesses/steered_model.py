"""A loaded model with one setting, from the arguments that a harness takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from trimtab.engines import Model, load
from trimtab.errors import SettingError
from trimtab.harnesses._arguments import Arguments, NamedSetting, parse_name
from trimtab.harnesses._push_sources import Push, changed, named, of_file, of_run
from trimtab.inputs.bounded_files import expand_user, file_problem
from trimtab.steering import Intervention


@dataclass(frozen=True, eq=False)
class SteeredModel:
    """A model, and the push that everything it writes or scores is under."""

    model: Model
    intervention: Intervention | None
    """None: unsteered."""
    description: dict[str, Any]
    """Model and steering as plain values, for logs."""

    @classmethod
    def of(cls, model: Model, intervention: Intervention | None) -> SteeredModel:
        """A model that is loaded already, under a push; it stays the caller's."""
        about = {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "engine": model.engine.name,
            "dtype": str(model.backbone.dtype).removeprefix("torch."),
            **model.asking.changes,
            "trimtab": version("trimtab"),
        }
        return cls(model, intervention, about)

    @classmethod
    def open(cls, name: str, arguments: Mapping[str, Any], more: Collection[str] = ()) -> SteeredModel:
        """Load a model and make its push.

        Args:
            name: What `trimtab.load` takes, or such a name with a setting: `smollm2-135m:cheerful@0.3`, or
                `smollm2-135m:cheerful@recommended`.
            arguments: `vector`, `layer`, `strength` and the fields of `trimtab.steering.SteeringSetting`; or `run`
                (with `behavior` where it has several), whose recommended setting is taken and may be changed by the
                others; for a name with a setting `vectors`, where it is looked up. Beside them those of `trimtab.load`.
            more: Keys that the harness takes itself, for messages.

        Raises:
            SettingError: For arguments that do not exist, contradict each other, or push nothing.
            TrimtabError: As loading a model, a vector or a run does.
        """
        given = Arguments.sort(arguments, more)
        looked_up = "vectors" in given.place and ":" in name and "@" not in name
        setting = parse_name(f"{name}@recommended" if looked_up else name)
        try:
            push = _push_of(setting, given)
        except OSError as error:  # a name that no file can have, a folder that may not be entered
            raise SettingError(file_problem(error) or str(error)) from None
        model = load(setting.model, **{**({} if push is None else push.load_options), **given.load})
        try:
            intervention, pushed = (None, None) if push is None else push.intervention(model.backbone)
        except BaseException:
            model.close()
            raise
        made = cls.of(model, intervention)
        return replace(made, description={**made.description, "model": setting.model, "steering": pushed})


def _push_of(setting: NamedSetting, given: Arguments) -> Push | None:
    """The push that a name and arguments stand for; None for the model as it is.

    Raises:
        SettingError: When they contradict each other.
    """
    place = dict(given.place)
    sources = [key for key in ("vector", "run", "vectors") if key in place]
    if setting.vector:
        return _named_push(setting, given)
    if "vectors" in place:
        raise SettingError(
            f"vectors={place['vectors']}: which of them? Name one behind the model: {setting.model}:NAME@recommended"
        )
    if len(sources) > 1:
        raise SettingError(f"{' and '.join(sources)} both say what to push; give one of them")
    if "behavior" in place and "run" not in place:
        raise SettingError("behavior names one of a run; give run")
    if not sources:
        if unused := [*place, *given.options]:
            raise SettingError(f"{', '.join(unused)}: there is nothing to push; give vector or run")
        return None
    if "run" in place:
        run = expand_user(str(place["run"]))
        found = of_run(run, setting.model, str(place.get("behavior", "")))
    else:
        found = of_file(str(place["vector"]))
    return changed(found, place, given.options)


def _named_push(setting: NamedSetting, given: Arguments) -> Push:
    place = dict(given.place)
    if others := [key for key in ("vector", "run", "behavior", "strength") if key in place]:
        raise SettingError(f"{', '.join(others)}: the model's name says it already ({setting.vector}@…); leave it out")
    if "vectors" not in place:
        raise SettingError(
            f"{setting.model}:{setting.vector}@…: give vectors, the folder or run in which {setting.vector} is found"
        )
    found = named(setting.vector, expand_user(str(place["vectors"])), setting.model)
    if setting.strength is not None:
        place["strength"] = setting.strength
    elif found.strength is None:
        raise SettingError(
            f"{found.source}: recommends no strength for {setting.vector}; put a number behind the @, or name a run"
        )
    return changed(found, place, given.options)
