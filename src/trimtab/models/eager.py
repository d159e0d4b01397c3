"""How trimtab runs a model of the user's: eagerly, in evaluation mode, its weights fixed, and as it was afterwards.

Compiled code runs no hooks, or keeps running those that were there when it was compiled. Hooks are how trimtab reads
and steers, so nothing is compiled, and nothing compiled is run, while any are in place.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import nn

from trimtab.errors import SettingError, TrimtabWarning

_lock = threading.Lock()
_depth = 0
_stance: Any = None
_warned: WeakSet[nn.Module] = WeakSet()
_evaluated: WeakKeyDictionary[nn.Module, tuple[int, list[nn.Module]]] = WeakKeyDictionary()
"""Models in evaluation mode: in how many contexts, and the modules that were in training mode before the first."""


@contextmanager
def eager() -> Iterator[None]:
    """Make `torch.compile` step aside while the context lasts, in the whole process: torch has one stance for all.

    Contexts of several threads may overlap in any order; the stance from before returns with the end of the last one.

    Raises:
        SettingError: inside of a function that is being compiled.
    """
    global _depth, _stance
    with _lock:
        if _depth == 0:
            try:
                _stance = torch.compiler.set_stance("force_eager")
            except RuntimeError as error:
                raise SettingError(
                    "a model cannot be steered or read from inside a compiled function; do it outside of torch.compile"
                ) from error
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _stance.__exit__(None, None, None)
                _stance = None


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Run a model eagerly, in evaluation mode and without gradients, and leave every module in the mode it was in."""
    with _evaluated_eagerly(model), torch.no_grad():
        yield


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Run a model eagerly, in evaluation mode and with gradients by everything but its weights; undone at the end.

    Whether gradients are computed at all is the caller's (`torch.no_grad`).
    """
    free = [weight for weight in model.parameters() if weight.requires_grad]
    with _evaluated_eagerly(model):
        try:
            for weight in free:
                weight.requires_grad_(False)
            yield
        finally:
            for weight in free:
                weight.requires_grad_(True)


@contextmanager
def _evaluated_eagerly(model: nn.Module) -> Iterator[None]:
    """Set modes module by module: `train()` of some classes does more, and some models train in parts."""
    with _lock:
        depth, training = _evaluated.get(model, (0, []))
        if depth == 0:
            training = [module for module in model.modules() if module.training]
            for module in training:
                module.training = False
        _evaluated[model] = depth + 1, training
    try:
        with eager():
            yield
    finally:
        with _lock:
            depth, training = _evaluated.pop(model)
            if depth > 1:
                _evaluated[model] = depth - 1, training
            else:
                for module in training:
                    module.training = True


def warn_if_compiled(model: nn.Module) -> None:
    """Say once for each model that a call of its compiled form runs eagerly; to be asked from inside a pass."""
    if model not in _warned and _in_compiled_call():
        _warned.add(model)
        warnings.warn(
            "this model is compiled (torch.compile), and compiled code runs no hooks: it runs eagerly, and slower, "
            "while it is steered or read",
            TrimtabWarning,
            stacklevel=2,
        )


def _in_compiled_call() -> bool:
    """Whether any caller is the entrance of a compiled function, seen by the code of dynamo that holds its callback."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if "callback" in code.co_freevars and code.co_filename.endswith("eval_frame.py"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
