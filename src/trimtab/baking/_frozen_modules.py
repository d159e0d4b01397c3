"""Run a part of a model while every module but one returns what it returned before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


@dataclass(frozen=True)
class Call:
    """One call of a module."""

    args: tuple[Any, ...]
    output: Any


Calls = Mapping[nn.Module, Sequence[Call]]


def with_own_parameters(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Those that hold parameters themselves; what holds none (dropout, an activation) only passes on."""
    return [module for module in modules if next(module.parameters(recurse=False), None) is not None]


@contextmanager
def recorded(modules: Sequence[nn.Module]) -> Iterator[Calls]:
    """Keep copies of what modules are called with and return."""
    calls: dict[nn.Module, list[Call]] = {module: [] for module in modules}

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        calls[module].append(Call(copied(args), copied(output)))

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def frozen(calls: Calls, but: nn.Module | None, constant: Tensor) -> Iterator[None]:
    """Every module returns what it returned, call by call; one of them runs, and a constant is added to its output.

    What holds that one runs too, since it would hide it.

    Args:
        calls: From `recorded`.
        but: The module that runs; None: none does.
        constant: What is added [d_model].
    """
    handles = []
    for module, seen in calls.items():
        left = iter(seen)

        def replay(module: nn.Module, args: Any, output: Any, left: Iterator[Call] = left) -> Any:
            call = next(left, None)  # one call more than recorded runs, and shows as what does not add up
            return None if call is None else copied(call.output)

        if but is None or all(part is not but for part in module.modules()):
            handles.append(module.register_forward_hook(replay))
    if but is not None:
        handles.append(but.register_forward_hook(lambda module, args, output: output + constant.to(output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def copied(value: Any) -> Any:
    """The same nest of tuples, with copies of the tensors in it: some models change theirs in place."""
    return tree_map(lambda leaf: leaf.detach().clone() if torch.is_tensor(leaf) else leaf, value)
