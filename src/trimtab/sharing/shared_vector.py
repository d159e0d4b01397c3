"""Write the folder that a vector is shared as."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from trimtab._util.atomic_files import whole_folder, write_whole
from trimtab._util.summaries import Summarized, Summary
from trimtab.errors import SettingError, VectorError
from trimtab.models import hub_id, shareable_name
from trimtab.monitors import Monitor, PromptCondition
from trimtab.sharing._vector_card import Measured, vector_card
from trimtab.steering import DEFAULT_SCALE, SteeringSetting, check_strength
from trimtab.study.recommending.recommendations import Recommendation
from trimtab.study.setting_to_use import recommendation, setting_to_use
from trimtab.vectors import SteeringVector
from trimtab.vectors.constant_pushes import CONSTANT_SCALES, constant_push
from trimtab.vectors.exports.exported_vectors import export_vector
from trimtab.vectors.formats.base import AS_IS
from trimtab.vectors.formats.published.shared_folders import (
    CARD,
    CONTROL_VECTOR,
    HUB_ID,
    LAYOUT,
    MONITOR,
    STEERING,
    VECTORS,
    SharedCondition,
    SharedEffect,
    SharedFile,
    SharedMaking,
    SharedModel,
    SharedSetting,
    Steering,
    Unit,
    steering_json,
)


@dataclass(frozen=True, repr=False)
class Shared(Summarized):
    """A folder that was written."""

    folder: Path
    steering: Steering
    """What its `steering.json` says."""
    notes: tuple[str, ...]
    """What was left out or is lost, in sentences."""

    def _summary(self) -> Summary:
        use = self.steering.setting
        layers = "+".join(map(str, use.layers))
        return Summary({"folder": repr(str(self.folder)), "setting": f"layer {layers} at {use.strength:+g}"})


def share_run(run: str | Path, out: str | Path, *, model: str = "", behavior: str = "", base_model: str = "") -> Shared:
    """Write the vector of a run, at the setting that it recommends, with what was measured.

    A setting that was changed in `recommended.yaml` is written without an effect: none was measured at it.

    Args:
        run: A finished run, or its `recommended.yaml`.
        out: The folder to write; nothing, or an empty folder, may be there.
        model: Its label, where the run has several.
        behavior: Its name, where the run has several.
        base_model: `owner/name` of the model on the hub, where the run has it from elsewhere.

    Raises:
        RunError: When it is no run folder, or nothing in it is shown to work.
        SettingError: For a setting that is no constant push.
        VectorError: When the vector cannot be read, or the folder not be written.
    """
    use = setting_to_use(run, model, behavior)
    vector = replace(use.vector, provenance=replace(use.vector.provenance, behavior=use.behavior))
    measured = None if use.edited else _measured(recommendation(Path(run), use))
    strength = use.steering.strength_of_each(use.strength, len(use.layers))
    known = base_model or hub_id(use.model_id)
    return _write(
        vector, Path(out), use.layers, strength, use.steering, known, use.model.label, measured, use.edited,
        use.condition,
    )  # fmt: skip


def share_vector(
    vector: SteeringVector,
    out: str | Path,
    *,
    layer: int | Sequence[int],
    strength: float,
    scale: str = DEFAULT_SCALE,
    positions: str = "all",
    first_token: bool = False,
    base_model: str = "",
) -> Shared:
    """Write a vector with a setting of which nothing was measured; the card says so.

    Args:
        vector: One direction for each layer.
        out: The folder to write; nothing, or an empty folder, may be there.
        layer: The decoder layer to push behind, or several.
        strength: α at each of them.
        scale: What it means, `raw` or `relative`.
        positions: Tokens to push.
        first_token: Whether the first token of a text is pushed too.
        base_model: `owner/name` of the model on the hub, where the vector does not say it.

    Raises:
        SettingError: For a scale, layer or strength that is no constant push.
        VectorError: When the number of the model's layers is unknown, or the folder cannot be written.
    """
    layers = [layer] if isinstance(layer, int) else list(layer)
    made = vector.provenance
    setting = SteeringSetting(scale, positions=positions, first_token=first_token)
    return _write(vector, Path(out), layers, strength, setting, base_model or hub_id(made.model), made.model, None)


def _write(
    vector: SteeringVector,
    out: Path,
    layers: Sequence[int],
    strength: float,
    how: SteeringSetting,
    base_model: str,
    label: str,
    measured: Measured | None,
    edited: str = "",
    condition: PromptCondition | None = None,
) -> Shared:
    _require_sharable(vector, layers, strength, how if condition is None else replace(how, gate=None), base_model)
    name = shareable_name(label) or base_model or "unknown"
    vector = replace(vector, provenance=replace(vector.provenance, model=name))
    with whole_folder(out, error=VectorError) as folder:
        export_vector(vector, folder / VECTORS, "tensor")
        if condition is None:
            notes, usage = _control_vector(vector, folder, layers, strength, how)
        else:
            _without_place(condition.monitor).save(folder / MONITOR)
            notes, usage = [f"{CONTROL_VECTOR} is left out: llama.cpp would push behind every prompt"], ()
        if edited:
            notes.append(f"the setting was changed by hand ({edited}); {CARD} and {STEERING} state no effect of it")
        if not base_model:
            notes.append(f"{CARD} names no base_model: {name!r} is not on the hub; give its owner/name (--base-model)")
        files = {
            name: _described(folder / name) for name in (VECTORS, CONTROL_VECTOR, MONITOR) if (folder / name).exists()
        }
        steering = _steering(vector, layers, strength, how, base_model, measured, files, condition)
        text = json.dumps(steering_json(steering), indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(folder / STEERING, text + "\n", error=VectorError)
        write_whole(folder / CARD, vector_card(steering, vector.provenance, measured, notes, usage), error=VectorError)
    return Shared(out, steering, tuple(notes))


def _without_place(monitor: Monitor) -> Monitor:
    """The same monitor; the name of its model says no more than `shareable_name`. Conditions by it are the same."""
    made = monitor.provenance
    return replace(monitor, provenance=replace(made, model=shareable_name(made.model)))


def _require_sharable(
    vector: SteeringVector, layers: Sequence[int], strength: float, how: SteeringSetting, base_model: str
) -> None:
    """Refuse what a folder cannot say."""
    check_strength(strength)
    if how.scale not in CONSTANT_SCALES or how.gate is not None or how.vector_layer is not None:
        raise SettingError(
            f"a shared folder says how to add a vector at each layer ({' or '.join(CONSTANT_SCALES)}); the setting is "
            f"{how.scale}{' with a gate' * (how.gate is not None)}"
            f"{' along the direction of one layer' * (how.vector_layer is not None)}, which others could not repeat"
        )
    if not layers or len(set(layers)) < len(layers):
        raise SettingError("name the layers to push behind, each once")
    if not strength:
        raise SettingError("strength 0 pushes nothing; give the strength to recommend")
    vector.require_directions(layers)
    if not vector.is_whole:
        raise VectorError(
            f"how many layers the model of the vector {vector.provenance.behavior!r} has is unknown; import it with "
            "--model first"
        )
    if base_model and not HUB_ID.fullmatch(base_model):
        raise SettingError(f"base model {base_model!r} is no owner/name of the hub")


def _control_vector(
    vector: SteeringVector, folder: Path, layers: Sequence[int], strength: float, how: SteeringSetting
) -> tuple[list[str], tuple[str, ...]]:
    """Write the control vector, if there can be one: what is lost, and what to type."""
    if not any(layers):
        return [f"{CONTROL_VECTOR} is left out: llama.cpp refuses directions of layer 0"], ()
    if how.scale == "relative" and vector.residual_norm is None:
        why = "the residual norms, which turn a relative strength into a constant, are unknown; import it with --model"
        return [f"{CONTROL_VECTOR} is left out: {why}"], ()
    made = export_vector(
        vector, folder / CONTROL_VECTOR, "gguf", layer=layers, strength=strength, scale=how.scale,
        positions=how.positions, first_token=how.first_token,
    )  # fmt: skip
    usage = tuple(line.replace(str(made.path), CONTROL_VECTOR) for line in made.usage)
    return [f"{CONTROL_VECTOR}: {loss}" for loss in made.losses], usage


def _steering(
    vector: SteeringVector,
    layers: Sequence[int],
    strength: float,
    how: SteeringSetting,
    base_model: str,
    measured: Measured | None,
    files: dict[str, SharedFile],
    condition: PromptCondition | None,
) -> Steering:
    made, (n_layers, width) = vector.provenance, vector.direction.shape
    known = how.scale == "raw" or vector.residual_norm is not None
    pushes = [constant_push(vector, layer, strength, how.scale) if known else None for layer in layers]
    lengths = [None if push is None else float(f"{float(push.norm()):.6g}") for push in pushes]
    return Steering(
        format=LAYOUT,
        behavior=made.behavior,
        model=SharedModel(made.model, base_model, made.fingerprint, n_layers, width),
        vector=SharedMaking(made.method, made.token_position, made.pairs),
        setting=SharedSetting(
            tuple(layers),
            strength,
            cast(Unit, how.scale),
            tuple(lengths),
            how.positions,
            how.first_token,
            when=None if condition is None else SharedCondition(MONITOR, condition.threshold, condition.read),
        ),
        layer_map=f"of {VECTORS}: {AS_IS.replace('of the file', 'of the tensor (row N)')}, counted from 0",
        effect=measured.effect if measured else None,
        files=files,
    )


def _measured(found: Recommendation) -> Measured:
    at = found.setting.measured
    assert at is not None  # it comes from the tables
    return Measured(
        SharedEffect(**at.effect.model_dump(), statement=at.statement),
        tuple(one.text for one in found.findings if one.kind != "caution"),
        (*(one.text for one in found.findings if one.kind == "caution"), *found.warnings),
        at.chosen_by,
    )


def _described(path: Path) -> SharedFile:
    content = path.read_bytes()
    return SharedFile(len(content), hashlib.sha256(content).hexdigest())
