"""From a `SteeringVector` to a file of another program: choosing layers, turning strengths into raw, naming losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.vectors.constant_pushes import DEFAULT_SCALE, constant_push
from trimtab.vectors.exports import VECTOR_EXPORTS
from trimtab.vectors.exports.base import Exported, Pushes, VectorExport
from trimtab.vectors.steering_vector import SteeringVector


def export_vector(
    vector: SteeringVector,
    path: str | Path,
    to: str = "gguf",
    *,
    layer: int | Sequence[int] | None = None,
    strength: float | None = None,
    scale: str = DEFAULT_SCALE,
    positions: str = "all",
    first_token: bool = False,
) -> Exported:
    """Write a vector for another program.

    Args:
        vector: One direction for each layer.
        path: The file to write; its ending is one that the layout has.
        to: A name of `trimtab.vectors.exports.VECTOR_EXPORTS`.
        layer: The layer to take, or several; by default all that have a direction.
        strength: α: the file then holds what is added at that strength, and 1 is the strength to use. Without it, the
            directions as they are.
        scale: What a strength means, `raw` or `relative`; the latter becomes raw by the mean residual norm of each
            layer.
        positions: At which tokens the vector was measured; what the program does instead is among the losses.
        first_token: Whether it was measured with the first token pushed too.

    Returns:
        The file, what is lost, and what to type.

    Raises:
        SettingError: For an unknown layout or scale, or a layer that the layout cannot hold.
        VectorError: Where a layer has no direction, residual norms are unknown, or the file cannot be written.
    """
    form, path = VECTOR_EXPORTS.get(to), Path(path)
    if path.suffix not in form.suffixes:
        raise SettingError(f"{path}: {form.title} ends in {' or '.join(form.suffixes)}")
    chosen = vector.layers if layer is None else (layer,) if isinstance(layer, int) else tuple(layer)
    vector.require_directions(chosen)
    rows: Mapping[int, Tensor]
    if strength is None:
        rows = {each: vector.direction[each] for each in chosen}
    elif not strength:
        raise SettingError("strength 0 pushes nothing; leave it out to write the directions as they are")
    else:
        rows = {each: constant_push(vector, each, strength, scale) for each in chosen}
    rows, lost = form.fitting(Pushes(rows, vector, strength is not None))
    pushes = Pushes(rows, vector, strength is not None)
    losses = (*lost, *_losses(form, pushes, scale, positions, first_token=first_token))
    form.write(path, pushes)
    return Exported(path, tuple(sorted(rows)), losses, form.usage(path, pushes))


def _losses(form: VectorExport, pushes: Pushes, scale: str, positions: str, *, first_token: bool) -> list[str]:
    """What a file of constants, and who reads it, cannot do as trimtab does."""
    found = []
    if pushes.is_setting and scale == "relative":
        found.append(
            "a relative strength became one length for each layer, by its mean residual norm: the push no longer "
            "follows the length of each token's state"
        )
    if form.pushes_everywhere and positions != "all":
        found.append(f"every token is pushed, not only those of positions {positions}")
    if form.pushes_first_token and not first_token:
        found.append("the first token of a text is pushed, too, which trimtab leaves alone")
    if len(pushes.rows) > 1 and form.pushes_everywhere:
        found.append(f"all {len(pushes.rows)} layers are pushed together; choose one with --layer")
    return found
