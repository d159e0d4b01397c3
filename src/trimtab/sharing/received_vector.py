"""Read a vector that was shared, from a folder or from the hub; nothing in it is run."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from trimtab._util.summaries import Summarized, Summary
from trimtab.errors import SettingError, VectorError
from trimtab.inputs.bounded_files import expand_user
from trimtab.models import BUNDLED, hub_id
from trimtab.monitors import PromptCondition
from trimtab.sharing.hub_repository import fetched
from trimtab.steering import SteeringSetting, parse_positions
from trimtab.vectors import SteeringVector
from trimtab.vectors.formats.published.shared_folders import STEERING, Steering, read_steering

FORMAT = "trimtab-hub"


@dataclass(frozen=True, eq=False, repr=False)
class Received(Summarized):
    """A vector, and what was shared with it."""

    vector: SteeringVector
    steering: Steering
    """What its `steering.json` says: what the person who shared it states."""
    condition: PromptCondition | None = None
    """The condition on the prompt of its setting; None: every text is pushed."""

    @property
    def how(self) -> SteeringSetting:
        """How the setting that was shared pushes."""
        use = self.steering.setting
        gate = None if self.condition is None else self.condition.gate
        return SteeringSetting(use.unit, use.positions, use.first_token, gate=gate)

    def _summary(self) -> Summary:
        use = self.steering.setting
        layers = "+".join(map(str, use.layers))
        return Summary({"vector": repr(self.vector), "setting": f"layer {layers} at {use.strength:+g}"})

    def command(self, path: str | Path, monitor: str | Path = "") -> str:
        """What to type to chat at the recommended setting.

        Args:
            path: Where the vector was saved.
            monitor: Where the monitor of its condition was saved, if it has one.
        """
        use, base = self.steering.setting, self.steering.model.base_model
        model = [] if base in ("", hub_id(BUNDLED)) else ["--model", base]
        layers = [word for layer in use.layers for word in ("--layer", str(layer))]
        how = [f"--strength={use.strength:g}", "--scale", use.unit]
        how += [] if use.positions == "all" else ["--positions", use.positions]
        how += ["--first-token"] * use.first_token
        if use.when is not None:
            how += ["--when", str(monitor), "--when-above", str(use.when.above), "--when-reads", use.when.reads]
        return shlex.join(["trimtab", "chat", *model, "--vectors", str(path), *layers, *how])


def receive_vector(source: str | Path, *, revision: str = "") -> Received:
    """Read a vector that `trimtab hub push` shared; sizes and hashes of its files are compared first.

    Args:
        source: A folder, or `owner/name` on the hub.
        revision: A branch, tag or commit on the hub.

    Raises:
        SettingError: When it is neither.
        VectorError: When the folder is damaged or something else, or the hub cannot be reached.
    """
    folder, commit = expand_user(source), ""
    if not os.path.isdir(folder):
        folder, commit = fetched(str(source), revision)
    elif revision:
        raise VectorError(f"{folder}: a folder has no revision; leave it out")
    vector, steering = SteeringVector.read(folder, FORMAT), read_steering(folder)
    try:
        parse_positions(steering.setting.positions)
    except SettingError as error:
        raise VectorError(f"{folder / STEERING}: setting: {error}") from None
    if commit and vector.provenance.origin is not None:
        origin = replace(vector.provenance.origin, file=f"{source}@{commit}")
        vector = replace(vector, provenance=replace(vector.provenance, origin=origin))
    when = steering.setting.when
    condition = None if when is None else PromptCondition.of_file(folder / when.monitor, when.above, when.reads)
    return Received(vector, steering, condition)
