"""Write a model whose weights hold a push, and check that it does what steering does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from trimtab._util.atomic_files import whole_folder, write_whole
from trimtab._util.summaries import Summarized, Summary
from trimtab.baking._bake_check import Asked, BakeCheck, check_baked
from trimtab.baking._bias_fields import biased_state, with_biases
from trimtab.baking._card import card
from trimtab.baking._last_writes import last_writes
from trimtab.baking._orthogonal_card import orthogonal_card
from trimtab.baking._orthogonal_check import check_orthogonal
from trimtab.baking._orthogonal_weights import orthogonal_state
from trimtab.baking._stream_writers import stream_writers
from trimtab.errors import ModelError, SettingError
from trimtab.models import Backbone
from trimtab.models.kinds.quantization import is_quantized
from trimtab.models.quiet import quiet_loading
from trimtab.steering import DEFAULT_SCALE, SteeringSetting, check_strength, require_fit, require_layers
from trimtab.vectors.constant_pushes import CONSTANT_SCALES, constant_push

if TYPE_CHECKING:
    from trimtab.engines import Model
    from trimtab.vectors import SteeringVector

PROJECT_OUT = "project_out"
BAKED_SCALES = (*CONSTANT_SCALES, PROJECT_OUT)
"""Scales whose push can be part of the weights."""
SaveDType = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, repr=False)
class Baked(Summarized):
    """A folder with a baked model, and what was measured of it."""

    folder: Path
    pushes: dict[int, float]
    """Layer → length of what is added behind it; empty where a direction was removed."""
    check: BakeCheck
    """Of a direction that was removed, an `OrthogonalCheck`."""
    edited: tuple[str, ...] = ()
    """The matrices that a direction was removed from."""

    def _summary(self) -> Summary:
        """Where it is, and how exact."""
        layers, removed = ", ".join(map(str, self.pushes)), f"a direction, from {len(self.edited)} matrices"
        return Summary(
            {
                "folder": repr(str(self.folder)),
                **({"removed": removed} if self.edited else {"layers": layers}),
                "baked and steered": f"logits equal within {self.check.largest:.1e}",
            },
            more={"from what was asked": f"{self.check.from_asked:.3g} nats a token"},
        )


def bake(
    model: Model,
    vector: SteeringVector,
    out: str | Path,
    *,
    layer: int | Sequence[int],
    strength: float,
    scale: str = DEFAULT_SCALE,
    positions: str = "all",
    share_strength: bool = False,
    first_token: bool = False,
    save_dtype: SaveDType = "auto",
) -> Baked:
    """Write a checkpoint that is steered wherever it runs: a push as a bias, or without a direction in its weights.

    `h + c` behind a layer at every token, the first one too, is the same as a bias of what that layer adds last, unless
    a norm or a router stands between. A relative strength becomes raw by the layer's mean residual norm: the push no
    longer follows the length of each token's state.

    `project_out` removes one layer's direction from every matrix that writes into the residual stream, embeddings and
    biases too: W − α·v̂·v̂ᵀW (weight orthogonalization, Arditi et al. 2024, section 4.1). With α = 1 no state has a
    component along it, at any layer or token. With another α that share is removed of what each matrix writes, and the
    shares compound. Steering with `project_out` acts behind layers only, which is another intervention.

    The folder is loaded again and compared with steering, or with hooks on what was edited, before it appears; how far
    it is from steering as asked is measured too. Two copies of the model are in memory for that.

    Args:
        model: In float32, on the default engine: `tt.load(name, dtype="float32")`.
        vector: One direction for each layer.
        out: The folder to write; nothing, or an empty folder, may be there.
        layer: The decoder layer to push behind, or several; for `project_out` the one whose direction is removed.
        strength: α.
        scale: `raw` (c = α·v), `relative` (c = α·mean ‖h‖·v̂, by the norms that the vector's file holds) or
            `project_out` (W − α·v̂·v̂ᵀW).
        positions: Only `all` can be baked.
        share_strength: Whether several layers share the strength.
        first_token: Whether the steering that was asked for pushes the first token too; baking always does.
        save_dtype: Number format of the folder's weights; `auto` is the one of fewest bits that holds the model's own
            exactly.

    Returns:
        The folder, and what was measured.

    Raises:
        ModelError: Where the family has no such matrix or no bias for it, or something else than matrices writes into
            the residual stream (a norm behind them, experts), the model is quantized, has an adapter or
            code that is not in transformers, or the check fails: then nothing is written.
        SettingError: For a scale, positions, layer or strength that cannot be baked.
        VectorError: Where the vector is of another model, or lacks what a relative strength needs.
    """
    layers = (layer,) if isinstance(layer, int) else tuple(layer)
    asked = Asked(layers, strength, SteeringSetting(scale, first_token=first_token, share_strength=share_strength))
    _require_bakeable_setting(asked, positions)
    backbone = _bakeable(model)
    require_fit(vector, backbone)
    require_layers(layers, backbone.facts.layers)
    dtype = _exact_dtype(backbone.model) if save_dtype == "auto" else getattr(torch, save_dtype)
    make = _with_constants if scale != PROJECT_OUT else _without_direction
    return make(model, backbone, vector, asked, dtype, Path(out))


def _with_constants(
    model: Model, backbone: Backbone, vector: SteeringVector, asked: Asked, dtype: torch.dtype, out: Path
) -> Baked:
    each_strength = asked.setting.strength_of_each(asked.strength, len(asked.layers))
    pushes = {each: constant_push(vector, each, each_strength, asked.setting.scale) for each in asked.layers}
    writes = {each: last_writes(backbone, each) for each in pushes}
    room = with_biases(backbone.model, pushes, writes)
    state = biased_state(backbone.model, room, pushes, writes)
    with whole_folder(out, error=ModelError) as folder:
        _save(backbone, room, state, dtype, folder)
        check = check_baked(model, folder, vector, pushes, asked, rounded=dtype != torch.float32)
        check.require_equal()
        lengths = {each: float(push.norm()) for each, push in pushes.items()}
        text = card(backbone, vector, list(lengths.items()), asked, check, str(dtype)[6:])
        write_whole(folder / "README.md", text, error=ModelError)
    return Baked(out, lengths, check)


def _without_direction(
    model: Model, backbone: Backbone, vector: SteeringVector, asked: Asked, dtype: torch.dtype, out: Path
) -> Baked:
    (layer,), share = asked.layers, asked.strength
    vector.require_directions([layer])
    unit = vector.direction[layer] / vector.direction[layer].norm()
    writers = stream_writers(backbone)
    room, state = orthogonal_state(backbone, writers, unit, share)
    with whole_folder(out, error=ModelError) as folder:
        _save(backbone, room, state, dtype, folder)
        check = check_orthogonal(model, folder, writers, state, vector, layer, share)
        check.require_equal()
        text = orthogonal_card(backbone, vector, layer, share, writers, check, str(dtype)[6:])
        write_whole(folder / "README.md", text, error=ModelError)
    return Baked(out, {}, check, tuple(writer.name for writer in writers))


def _require_bakeable_setting(asked: Asked, positions: str) -> None:
    """Refuse what no weights can do."""
    check_strength(asked.strength)
    if asked.setting.scale not in BAKED_SCALES:
        raise SettingError(
            f"scale {asked.setting.scale!r} cannot be baked as a bias: its push depends on the state of each token; "
            f"{', '.join(CONSTANT_SCALES)} can, and {PROJECT_OUT} by editing the matrices that write"
        )
    if positions != "all":
        raise SettingError(
            f"positions {positions!r} cannot be baked: weights act on every token of prompts and replies; give "
            "positions all to bake it so, and measure the setting with positions all first"
        )
    if not asked.layers:
        raise SettingError("no layer to bake the push at was given")
    if asked.setting.scale == PROJECT_OUT and len(asked.layers) > 1:
        raise SettingError(
            f"{PROJECT_OUT} is baked into all matrices, of one direction: give the one layer whose direction is "
            f"removed, not {len(asked.layers)}"
        )
    if not asked.strength:
        raise SettingError("strength 0 pushes nothing; give the strength to bake")


def _bakeable(model: Model) -> Backbone:
    """The model, if its weights can be changed and written."""
    backbone = model.backbone
    if not isinstance(backbone, Backbone):
        raise ModelError(f"{model.name}: only models on the default engine can be baked; load it without engine")
    backbone.require_in_memory("baking")
    kind = type(backbone.model)
    if is_quantized(backbone.model):
        raise ModelError(f"{model.name}: its weights are quantized; bake the plain model, then quantize the folder")
    if hasattr(backbone.model, "peft_config"):
        raise ModelError(
            f"{model.name}: it has an adapter; merge it first (merge_and_unload in PEFT) and save the model"
        )
    if not kind.__module__.startswith("transformers."):
        raise ModelError(
            f"{model.name}: {kind.__name__} is not in transformers, and its code would be missing in the folder"
        )
    if backbone.dtype != torch.float32:
        raise ModelError(
            f"{model.name} is loaded in {str(backbone.dtype)[6:]}, in which a bias is lost in rounding: load "
            "it with dtype float32; save_dtype says in which format the folder is written"
        )
    return backbone


def _exact_dtype(model: Any) -> torch.dtype:
    """The format of fewest bits that holds every weight as it is: what the checkpoint had."""
    weights = [weight for weight in model.state_dict().values() if weight.is_floating_point()]
    for dtype in (torch.bfloat16, torch.float16):
        if all(torch.equal(weight.to(dtype).float(), weight) for weight in weights):
            return dtype
    return torch.float32


def _save(backbone: Backbone, room: Any, state: dict[str, Tensor], dtype: torch.dtype, folder: Path) -> None:
    """Write configuration, weights and tokenizer as transformers does."""
    room.to(dtype)  # its configuration names the format of its own, empty weights
    room.generation_config = backbone.model.generation_config
    held = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    with quiet_loading():
        room.save_pretrained(folder, state_dict=held)
        backbone.tokenizer.save_pretrained(folder)
