"""One layer and strength as the settings of a study: what checks measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.analysis.formatting import signed_strength
from trimtab.errors import SettingError
from trimtab.inputs.bounded_files import expand_user
from trimtab.monitors import PromptCondition
from trimtab.notebook.measured_run import Measured
from trimtab.steering import Positions, layers_label
from trimtab.store.run_folder import RunFolder
from trimtab.study.settings.when_setting import When


def one_setting(
    layer: int | Sequence[int], strength: float, scale: str, positions: Positions, first_token: bool
) -> dict[str, Any]:
    """The keys of a study that sweeps one setting, at both of its signs.

    Raises:
        SettingError: for no layer, or a strength of 0.
    """
    layers = (layer,) if isinstance(layer, int) else tuple(layer)
    if not layers:
        raise SettingError("no layer to steer at was given")
    if strength == 0:
        raise SettingError("strength 0 steers nothing, so there is nothing to measure")
    return {
        "layers": layers_label(layers), "strengths": [-abs(strength), abs(strength)], "scale": scale,
        "positions": positions, "first_token": first_token,
    }  # fmt: skip


def condition_setting(when: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The key `when` of a study, for what was given; none where nothing was."""
    if when is None:
        return {}
    return {"when": dict(when) if isinstance(when, Mapping) else str(when)}


def condition_of_run(run: Path, *, lasting: bool) -> PromptCondition | None:
    """The condition on the prompt that a run steered under, by the monitor in its folder; None: none.

    Args:
        run: Its folder.
        lasting: Whether the folder stays; if not, the condition names the file that the run was given.
    """
    folder = RunFolder(run)
    manifest = folder.manifest()
    if not (found := manifest.settings.get("when")):
        return None
    when = When.model_validate(found)
    condition = PromptCondition.of_file(folder.monitor_file.absolute(), when.above, when.reads)
    return condition if lasting else replace(condition, file=Path(manifest.folder) / expand_user(when.monitor))


def setting_facts(measured: Measured) -> dict[str, str]:
    """The setting in words."""
    settings = measured.run.manifest["settings"]
    strength = max(settings["strengths"])
    return {"setting": f"layer {settings['layers']} at ±{signed_strength(strength).lstrip('+')} ({settings['scale']})"}
