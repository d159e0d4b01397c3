"""Where the residual stream is in what a vLLM layer returns.

Most layers return it in two parts that are to be added, `(hidden, residual)`. Some return all of it in `hidden`, and
beside it a residual that the next layer does not read. The two look alike, so it is found out by trying: a push of
either part is followed to where the model reads it next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError

_SAME = 0.1
"""Two pushes do the same if what they do differs by less than this share of it; half precision rounds off 1 or 2%."""


def parts(output: Any) -> tuple[Tensor, Tensor | None]:
    """What a layer returns: `hidden`, and the residual beside it if there is one; both [tokens, d_model].

    A leading dimension of 1, as in vLLM's backend of transformers models, is left as it is.

    Raises:
        ModelError: for anything else, of which it is not known where the residual stream is.
    """
    both = (output,) if torch.is_tensor(output) else output
    if isinstance(both, tuple) and 1 <= len(both) <= 2 and _is_stream(both[0]):
        hidden, residual = both[0], both[1] if len(both) == 2 else None
        if residual is None or (torch.is_tensor(residual) and residual.shape == hidden.shape):
            return hidden, residual
    raise ModelError(
        f"this model's layers return {_described(output)}, and it is not known where in that the residual stream is"
    )


def joined(output: Any, hidden: Tensor, residual: Tensor | None) -> Any:
    """What `parts` took apart."""
    if torch.is_tensor(output):
        return hidden
    return (hidden,) if len(output) == 1 else (hidden, residual)


def _is_stream(part: object) -> bool:
    return torch.is_tensor(part) and (part.dim() == 2 or (part.dim() == 3 and part.shape[0] == 1))


def _described(output: Any) -> str:
    if torch.is_tensor(output):
        return f"a tensor of {output.dim()} dimensions"
    if isinstance(output, tuple):
        return f"({', '.join(_described(part) for part in output)})"
    return f"a {type(output).__name__}"


class _Push(NamedTuple):
    """Of one part of one layer's output, by a vector [d_model]."""

    layer: int
    part: int
    by: Tensor


class Trial:
    """Trial passes through some layers. While there is one, it takes the place of steering."""

    def __init__(self, layers: Mapping[int, nn.Module]):
        self.layers = layers
        self._seen: dict[int, tuple[Tensor, Tensor | None]] = {}
        self._push: _Push | None = None

    def __call__(self, index: int, output: Any) -> Any:
        """See what a layer returns, and push it where that is tried."""
        hidden, residual = parts(output)
        if self._push is not None and self._push.layer == index:
            if self._push.part == 0:
                hidden = hidden + self._push.by.to(hidden.dtype)
            elif residual is not None:
                residual = residual + self._push.by.to(residual.dtype)
        self._seen[index] = hidden.clone(), None if residual is None else residual.clone()
        return joined(output, hidden, residual)

    def shares(self, run: Callable[[], object], tokens: int) -> dict[int, float]:
        """For each layer, how much of its residual belongs to the stream behind it: 1 or 0.

        Args:
            run: makes one pass, uncompiled, and returns what the model does: the final state [tokens, d_model], or
                something else where later layers are in another process.
            tokens: of a pass.

        Raises:
            ModelError: when a layer's output is none of those known, or a push of it changes nothing.
        """
        final = run()
        plain = dict(self._seen)
        for index, (hidden, _) in plain.items():
            if hidden.shape[-2] != tokens:
                raise ModelError(f"layer {index} sees {hidden.shape[-2]} of {tokens} tokens: workers divide them")
        shares = dict.fromkeys(self.layers, 1.0)
        found: dict[tuple[type, bool], float] = {}
        for index, layer in self.layers.items():
            if plain[index][1] is None:
                continue
            inner = index + 1 in self.layers
            # The last layer of all is read by the final norm, which may do otherwise than a layer does.
            kind = type(layer), inner or not torch.is_tensor(final)
            if kind not in found:
                if not inner and not torch.is_tensor(final):
                    raise ModelError(f"layer {index} is alone in its process; divide the model into fewer stages")
                found[kind] = self._share(index, run)
            shares[index] = found[kind]
        return shares

    def _share(self, index: int, run: Callable[[], object]) -> float:
        """By what becomes of a push of either part where it is read next."""
        hidden, residual = self._seen[index]
        assert residual is not None
        by = torch.linspace(-1.0, 1.0, hidden.shape[-1], device=hidden.device)
        by *= (_norm(hidden) + _norm(residual) + 1.0) / by.norm()
        plain = self._behind(index, None, run)
        one, other = (self._behind(index, _Push(index, part, by), run) for part in (0, 1))
        if not all(bool(states.isfinite().all()) for states in (plain, one, other)):
            raise ModelError(
                f"behind layer {index} a trial pass gives what are no numbers, so nothing can be learned of it"
            )
        moved = (one - plain).norm()
        if not bool(moved > 0):
            raise ModelError(f"a push behind layer {index} changes nothing")
        if bool((other - one).norm() < _SAME * moved):
            return 1.0
        if bool((other - plain).norm() < _SAME * moved):
            return 0.0
        raise ModelError(
            f"layer {index} returns two parts that are not simply added, and it is not known what they are"
        )

    def _behind(self, index: int, push: _Push | None, run: Callable[[], object]) -> Tensor:
        """What reads a layer's output, the next layer or the final norm, makes of it; flat."""
        self._push = push
        try:
            final = run()
        finally:
            self._push = None
        read = self._seen[index + 1] if index + 1 in self.layers else (final,)
        return torch.cat([part.float().flatten() for part in read if torch.is_tensor(part)])


def _norm(states: Tensor) -> float:
    """Mean norm of a token's state."""
    return float(states.detach().float().norm(dim=-1).mean())
