"""Hooks that act only in the thread or task that armed them, and that record whether they ran.

A model may be used by many threads and tasks at once. Hooks stand on its modules, where every call meets them; so each
set of hooks acts only in the thread or task (the `contextvars` context) that armed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from torch import nn

from trimtab.errors import ModelError, SettingError
from trimtab.models.eager import warn_if_compiled

_acting: ContextVar[tuple[HookSet, ...]] = ContextVar("trimtab_acting_hooks", default=())


class HookSet:
    """Forward hooks on some modules of a model, in place for as long as their context lasts."""

    def __init__(self, model: nn.Module, *, engine: bool):
        """Arm nothing yet.

        Args:
            model: whose modules will be hooked.
            engine: whether they belong to a pass of an engine, and so act in it; those of users rest meanwhile.
        """
        self.model, self.engine = model, engine
        self.calls_elsewhere = 0
        """How often other threads or tasks have met these hooks, and were left alone."""
        self._hooks: list[_Hook] = []
        self._handles: list[Any] = []

    def before(self, module: nn.Module, act: Callable[..., Any]) -> None:
        """Call `act(module, args, kwargs)` before each forward of a module."""
        hook = self._add(module, act)
        self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def after(self, module: nn.Module, act: Callable[..., Any], *, first: bool = False) -> None:
        """Call `act(module, args, output)` after each forward of a module; `first`: before all other hooks."""
        hook = self._add(module, act)
        self._handles.append(module.register_forward_hook(hook, prepend=first))

    def _add(self, module: nn.Module, act: Callable[..., Any]) -> _Hook:
        hook = _Hook(self, module, act)
        self._hooks.append(hook)
        return hook

    def is_innermost(self, hook: _Hook) -> bool:
        """Whether a hook is the last that was armed: once a pass, and with all that is compiled among its callers."""
        return hook is self._hooks[-1]

    @property
    def acts(self) -> bool:
        """Whether these hooks act where this is asked."""
        return self in _acting.get()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Act while the context lasts, then take the hooks off the modules."""
        _acting.set((*_acting.get(), self))
        try:
            yield
        finally:
            for handle in self._handles:
                handle.remove()
            # Not by a token: a generator may be closed in another context than the one it was begun in.
            _acting.set(tuple(other for other in _acting.get() if other is not self))

    def require_one_run(self) -> None:
        """See that one pass went through every hook.

        Raises:
            ModelError: when one did not run, or ran more than once.
        """
        for hook in self._hooks:
            if hook.runs != 1:
                raise ModelError(
                    f"{type(hook.module).__name__} ran {hook.runs} times in one pass of the model, with hooks that "
                    "must run once. Its code is no longer what was loaded (scripted, exported, a CUDA graph's, "
                    "or with another module in place): load the model again and leave it as it is"
                )


@contextmanager
def one_pass(model: nn.Module) -> Iterator[HookSet]:
    """Hooks of an engine for one pass of a model: each must run once."""
    hooks = HookSet(model, engine=True)
    with hooks.armed():
        yield hooks
        hooks.require_one_run()


@contextmanager
def engine_hooks_only() -> Iterator[None]:
    """Let the hooks of users rest: an engine's passes carry their own steering."""
    before = _acting.get()
    _acting.set(tuple(hooks for hooks in before if hooks.engine))
    try:
        yield
    finally:
        _acting.set(before)


def several_act(model: nn.Module) -> bool:
    """Whether more than one context of a user steers this model where this is asked."""
    return sum(hooks.model is model and not hooks.engine for hooks in _acting.get()) > 1


def acts_here(model: nn.Module) -> bool:
    """Whether a user's context steers this model where this is asked."""
    return any(hooks.model is model and not hooks.engine for hooks in _acting.get())


class _Hook:
    """One hook on one module. It cannot be copied, for a copy would steer on when the context has ended."""

    def __init__(self, hooks: HookSet, module: nn.Module, act: Callable[..., Any]):
        self.hooks, self.module, self.act = hooks, module, act
        self.runs = 0

    def __call__(self, module: nn.Module, *rest: Any) -> Any:
        if module is not self.module:
            raise SettingError(
                f"a replica of {type(module).__name__} is run, as nn.DataParallel makes them, and steering does not "
                "reach it: call the model itself, or run one process for each device"
            )
        if not self.hooks.acts:
            self.hooks.calls_elsewhere += 1
            return None
        if self.hooks.is_innermost(self):
            warn_if_compiled(self.hooks.model)
        self.runs += 1
        return self.act(module, *rest)

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise SettingError(
            "a model cannot be copied while it is steered or read, for the copy would stay so: leave the context first"
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self.__deepcopy__(None)
