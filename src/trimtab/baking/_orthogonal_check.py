"""Whether a checkpoint without a direction has none of it in its states, and computes what hooks on its writers do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.baking._bake_check import EXACT, BakeCheck, check_texts, divergence, logits_of
from trimtab.baking._orthogonal_weights import removed_by_hooks
from trimtab.baking._stream_writers import StreamWriter
from trimtab.errors import ModelError
from trimtab.models import Backbone, hidden_of, load_backbone

if TYPE_CHECKING:
    from trimtab.engines import Model
    from trimtab.vectors import SteeringVector

_NONE_LEFT = 1e-5
"""What may be along v̂ in float32, as a share of a state's length: rounding."""
_ROUNDED_LEFT = 0.02
"""The same where the weights were rounded to 16 bits after the direction was removed."""


@dataclass(frozen=True)
class OrthogonalCheck(BakeCheck):
    """What was compared; steering as asked is `project_out` behind all layers, which is another intervention."""

    along: float
    """Largest |h·v̂| / ‖h‖ behind any layer of the folder's model, which is loaded in float32."""
    along_plain: float
    """The same of the model before."""
    allowed_along: float
    """What `along` may be; infinite where only a share of the direction was to be removed."""
    from_first: float
    """KL divergence of the baked model from `project_out` behind all layers at every token, the first one too."""
    rounding: float
    """Largest difference between logits that rounding the weights to 16 bits makes; 0 in float32."""

    def require_equal(self) -> None:
        """Refuse what hooks on the writers do not do, or a direction that is still there.

        Raises:
            ModelError: With the numbers.
        """
        super().require_equal()
        if not self.along <= self.allowed_along:
            raise ModelError(
                f"states of the baked model still lie along the direction by up to {self.along:.2g} of their length, "
                f"where {self.allowed_along:.2g} would be rounding and the plain model has {self.along_plain:.2g}; "
                "nothing was written"
            )
        if not self.rounding <= self.effect / 2:
            raise ModelError(
                f"rounded to 16 bits, the baked model's logits change by up to {self.rounding:.2g}, which is much of "
                f"the {self.effect:.2g} that removing the direction does; nothing was written. Save it in float32"
            )


def check_orthogonal(
    model: Model,
    folder: Path,
    writers: Sequence[StreamWriter],
    state: Mapping[str, Tensor],
    vector: SteeringVector,
    layer: int,
    share: float,
) -> OrthogonalCheck:
    """Load a folder and compare it with the model that it was made from.

    In 16 bits every edited weight is rounded, so that the rounded model is measured, and the one that was rounded is
    what must equal the hooks.

    Args:
        model: What was baked, in float32.
        folder: With the baked model.
        writers: What was edited.
        state: The checkpoint before it was rounded.
        vector: Its direction at `layer` was removed.
        layer: Which.
        share: α.
    """
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    unit = (vector.direction[layer] / vector.direction[layer].norm()).to(backbone.device)
    every = list(range(backbone.facts.layers))
    as_asked = {"layer": every, "strength": share, "scale": "project_out", "vector_layer": layer}
    baked = load_backbone(str(folder), dtype="float32", device=str(backbone.device), stream=False)
    texts = list(check_texts(model))
    along, along_plain = _Along(unit), _Along(unit)
    plain, found, hooked, wanted, first = [], [], [], [], []
    for ids in texts:
        with along_plain.watching(backbone):
            plain.append(logits_of(backbone, ids))
        with along.watching(baked):
            found.append(logits_of(baked, ids))
        with removed_by_hooks(backbone.model, writers, unit, share):
            hooked.append(logits_of(backbone, ids))
        with model.steer(vector, **as_asked):  # type: ignore[arg-type]
            wanted.append(logits_of(backbone, ids))
        with model.steer(vector, **as_asked, first_token=True):  # type: ignore[arg-type]
            first.append(logits_of(backbone, ids))
    rounded = _unround(baked, state)
    exact = [logits_of(baked, ids) for ids in texts] if rounded else found
    tokens = sum(ids.shape[1] - 1 for ids in texts)
    left = _ROUNDED_LEFT if rounded else _NONE_LEFT
    return OrthogonalCheck(
        texts=len(texts),
        tokens=tokens,
        largest=_largest(exact, hooked),
        # Every matrix of every layer is rounded, not one.
        allowed=2 * max(EXACT, max(float(each.abs().max()) for each in hooked) * EXACT / 10),
        effect=_largest(hooked, plain),
        asked_effect=sum(map(divergence, wanted, plain)) / tokens,
        from_asked=sum(map(divergence, wanted, found)) / tokens,
        along=along.largest,
        along_plain=along_plain.largest,
        allowed_along=left if share == 1 else float("inf"),
        from_first=sum(map(divergence, first, found)) / tokens,
        rounding=_largest(found, exact),
    )


class _Along:
    """The largest share of a state's length that lies along a direction, behind any layer and at any token."""

    def __init__(self, unit: Tensor) -> None:
        self.unit, self.largest = unit, 0.0

    def _see(self, module: Any, args: Any, output: Any) -> None:
        states = hidden_of(output).float()
        shares = (states @ self.unit.to(states.device)).abs() / states.norm(dim=-1)
        self.largest = max(self.largest, float(shares.max()))

    @contextmanager
    def watching(self, backbone: Backbone) -> Iterator[None]:
        handles = [layer.register_forward_hook(self._see) for layer in backbone.anatomy.layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@torch.no_grad()
def _unround(baked: Backbone, state: Mapping[str, Tensor]) -> bool:
    """Put the weights back that were rounded into a folder; False: none was.

    Raises:
        ModelError: Where the folder holds others.
    """
    held, rounded = baked.model.state_dict(), False
    if held.keys() != state.keys():
        raise ModelError(f"{type(baked.model).__name__}: the folder holds other tensors than the model; report it")
    for name, tensor in held.items():
        wanted = state[name].to(tensor)
        if torch.equal(tensor, wanted):
            continue
        if not torch.allclose(tensor, wanted, rtol=2**-8, atol=1e-7):
            raise ModelError(f"{name} in the folder is not what was written; report it")
        tensor.copy_(wanted)
        rounded = True
    return rounded


def _largest(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(some, others, strict=True))
