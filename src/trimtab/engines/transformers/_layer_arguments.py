"""Which of the tensors that a decoder hands to its layers have a row of the batch on one of their axes.

A staircase makes the batch taller between two layers, so masks, rotary embeddings, position biases, shared keys and
values have to follow. Sizes alone do not tell them apart: a bias for each of four heads looks like one for each of four
rows. So the unsteered model is run at two heights and two widths, and what grew with the rows is the batch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.steering import one_pass

Path = tuple[int | str, ...]
"""Layer, then `args` or `kwargs`, then the way into what is there."""
Shapes = dict[Path, tuple[int, ...]]


class UnknownArgumentError(ModelError):
    """A layer is given a tensor of which it is not known where the rows are."""


@dataclass(frozen=True)
class Observed:
    """One pass of an unsteered batch: the shapes of all tensors that the layers were given, so far."""

    rows: int
    width: int
    shapes: Shapes


@dataclass(frozen=True)
class RowAxis:
    """Where the rows of a batch are in a tensor."""

    axis: int
    each: int
    """Entries on that axis for each row."""
    per_token: bool
    """Whether there are `each` for each token of each row."""

    def block(self, width: int) -> int:
        """Entries for one row of a batch of this width."""
        return self.each * width if self.per_token else self.each


@dataclass
class LayerArguments:
    """What is known of the tensors that a model's layers are given."""

    axes: dict[Path, RowAxis | None] = field(default_factory=dict)
    """None: no axis is the batch's."""

    def learn(self, base: Observed, taller: Observed, wider: Observed, layer: int | None = None) -> None:
        """Compare passes that differ in the number of rows (base, taller) and in width (base, wider).

        Args:
            base: a pass.
            taller: one with more rows.
            wider: one with more tokens in each row.
            layer: whose arguments; None: of all layers.
        """
        for path in base.shapes:
            if layer in (None, path[0]) and path in taller.shapes and path in wider.shapes:
                # A mask that all rows share in one kind of batch has a row for each in another.
                self.axes[path] = _row_axis(path, base, taller, wider) or self.axes.get(path)

    def widened(self, layer: int, args: Any, kwargs: Any, *, rows: int, height: int, width: int) -> tuple[Any, Any]:
        """Arguments of a layer for a batch of `height` rows.

        Args:
            layer: which.
            args: as the decoder gives them; hidden states, which are taller already, come first or by name.
            kwargs: the same.
            rows: of the unsteered batch, the first ones in every tensor.
            height: rows now. Those that a tensor lacks are copies of the unsteered ones: what was made before a cell
                joined the batch is for that cell what it is without steering.
            width: tokens of each row.
        """
        hidden = args[0] if args else kwargs["hidden_states"]

        def widen(path: Path, value: Tensor) -> Tensor:
            return value if value is hidden else self._widen(path, value, rows, height, width)

        return _mapped((layer, "args"), tuple(args), widen), _mapped((layer, "kwargs"), dict(kwargs), widen)

    def _widen(self, path: Path, value: Tensor, rows: int, height: int, width: int) -> Tensor:
        if path not in self.axes:
            if value.dim() < 2:
                return value
            raise UnknownArgumentError(f"{_name(path)} is a tensor that no earlier pass had")
        where = self.axes[path]
        if where is None:
            return value
        axis, block = where.axis, where.block(width)
        size = value.shape[axis]
        if size == height * block or (size == 1 and rows * block > 1):  # one for all rows
            return value
        if size % (rows * block) or size > height * block:
            raise UnknownArgumentError(f"{_name(path)} has {size} entries for {height} rows")
        base = value.narrow(axis, 0, rows * block)
        missing = height // rows - size // (rows * block)
        times = [1] * value.dim()
        if size == rows * block:
            if size == 1:
                return value.expand(*value.shape[:axis], height, *value.shape[axis + 1 :])
            times[axis] = 1 + missing
            return value.repeat(times)
        times[axis] = missing
        return torch.cat([value, base.repeat(times)], dim=axis)


@dataclass(frozen=True)
class Learning:
    """What is known of the arguments of a model's layers, while the passes that tell are under way."""

    arguments: LayerArguments
    base: Observed
    taller: Observed
    wider: Observed

    def widened(self, layer: int, args: Any, kwargs: Any, *, rows: int, height: int, width: int) -> tuple[Any, Any]:
        """As `LayerArguments.widened`, with what the passes have seen at this layer by now."""
        self.arguments.learn(self.base, self.taller, self.wider, layer)
        return self.arguments.widened(layer, args, kwargs, rows=rows, height=height, width=width)


def _row_axis(path: Path, base: Observed, taller: Observed, wider: Observed) -> RowAxis | None:
    few, many, wide = (seen.shapes[path] for seen in (base, taller, wider))
    if not len(few) == len(many) == len(wide):
        raise UnknownArgumentError(f"{_name(path)} has another number of dimensions in every pass")
    grew = [axis for axis, (a, b) in enumerate(zip(few, many, strict=True)) if a != b]
    if not grew:
        return None
    (axis, *more) = grew
    each, rest = divmod(few[axis], base.rows)
    if more or rest or many[axis] != each * taller.rows:
        raise UnknownArgumentError(f"{_name(path)} does not grow with the rows of a batch: {few} became {many}")
    if wide[axis] == few[axis]:
        return RowAxis(axis, each, per_token=False)
    tokens, rest = divmod(each, base.width)
    if rest or wide[axis] != tokens * wider.width * wider.rows:
        raise UnknownArgumentError(f"{_name(path)} does not grow with the tokens of a row: {few} became {wide}")
    return RowAxis(axis, tokens, per_token=True)


def _name(path: Path) -> str:
    layer, _, *way = path
    return f"argument {'.'.join(str(step) for step in way)} of layer {layer}"


def _mapped(path: Path, value: Any, change: Callable[[Path, Tensor], Tensor]) -> Any:
    """The same arguments with other tensors. A dictionary that layers write into stays the same object."""
    if torch.is_tensor(value):
        return change(path, value)
    if type(value) in (tuple, list):
        return type(value)(_mapped((*path, i), v, change) for i, v in enumerate(value))
    if isinstance(value, MutableMapping):
        for key, old in list(value.items()):
            new = _mapped((*path, str(key)), old, change)
            if new is not old:
                value[key] = new
    return value


@contextmanager
def observed(model: nn.Module, layers: Sequence[nn.Module], seen: Observed) -> Iterator[None]:
    """Note in `seen` what the layers of a model are given in the one pass of the context."""

    def note(layer: int) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            for path, value in _tensors((layer, "args"), args):
                if value is not hidden:
                    seen.shapes[path] = tuple(value.shape)
            for path, value in _tensors((layer, "kwargs"), kwargs):
                if value is not hidden:
                    seen.shapes[path] = tuple(value.shape)

        return hook

    with one_pass(model) as hooks:
        for i, layer in enumerate(layers):
            hooks.before(layer, note(i))
        yield


def _tensors(path: Path, value: Any) -> Iterator[tuple[Path, Tensor]]:
    if torch.is_tensor(value):
        yield path, value
    elif type(value) in (tuple, list):
        for index, one in enumerate(value):
            yield from _tensors((*path, index), one)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _tensors((*path, str(key)), one)
