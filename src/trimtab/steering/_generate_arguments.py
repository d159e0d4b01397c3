"""What transformers' `generate` is called with: the one place that knows the prompt, however it is then run.

`generate` may run a prompt in chunks, with candidates of assisted decoding behind it, or from an earlier turn's cache.
While a context steers, calls of it leave word of the prompt's columns for the passes that they make.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import nn

from trimtab.errors import SettingError
from trimtab.steering.arming import acts_here

_current: ContextVar[tuple[Generation, ...]] = ContextVar("trimtab_generation", default=())
_lock = threading.Lock()
_watched: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""Models whose calls are watched, and how many contexts want that."""
_own: WeakKeyDictionary[nn.Module, dict[str, Any]] = WeakKeyDictionary()
"""What those models had of their own in place of their class's methods."""

_IN_THREADS = ("generate_batch", "init_continuous_batching", "continuous_batching_context_manager")


@dataclass
class Generation:
    """One call of `generate`."""

    model: nn.Module
    prompt: int
    """Columns of the prompt, padding on the left and an earlier turn included."""
    guided: bool
    """Whether a second sequence runs beside it, for classifier-free guidance."""
    embedded: bool
    """Whether the prompt came as embeddings."""
    beams: bool = False
    """Whether texts exchange their rows."""
    cache: Any = None

    def require_own(self, cache: Any, past: int, width: int, *, embedded: bool) -> int:
        """The prompt's columns, for a pass over the sequence that was asked for.

        Raises:
            SettingError: for a pass over another sequence.
        """
        if self.guided:
            raise SettingError(
                "guidance_scale makes generate run a second sequence, whose prompt is another; steer at positions all, "
                "or leave guidance out"
            )
        if cache is None:
            other = self.cache is not None or width < self.prompt
        else:
            if self.cache is None:
                self.cache = ref(cache)
            other = self.cache() is not cache
        if other:
            raise SettingError(
                "generate runs a second sequence beside the one that was asked for, as some ways of assisted decoding "
                "do; steer at positions all, or leave that out"
            )
        if embedded and not self.embedded and past + width > self.prompt:
            raise SettingError(
                f"generate was called with a prompt of {self.prompt} tokens and runs {past + width}: something puts "
                "tokens in, as soft prompts do. Say how many tokens the prompt has then, steer(…, prompt_lengths=[…])"
            )
        return self.prompt


def current_generation(model: nn.Module) -> Generation | None:
    """The call of `generate` that this thread or task is in, the outermost of this model."""
    return next((g for g in _current.get() if g.model is model), None)


@contextmanager
def generation_watched(model: Any) -> Iterator[None]:
    """See what `model.generate` is called with, while the context lasts."""
    with _lock:
        _watched[model] = _watched.get(model, 0) + 1
        if _watched[model] == 1:
            _watch(model)
    try:
        yield
    finally:
        with _lock:
            _watched[model] -= 1
            if not _watched[model]:
                del _watched[model]
                for name, before in _own.pop(model).items():
                    del model.__dict__[name]
                    model.__dict__.update({} if before is None else {name: before})


def _watch(model: Any) -> None:
    wrapped = dict.fromkeys(_IN_THREADS, _refused) | {"generate": _noted}
    _own[model] = {name: model.__dict__.get(name) for name in wrapped if hasattr(model, name)}
    model.__dict__.update({name: wrapped[name](model, getattr(model, name)) for name in _own[model]})


def _noted(model: Any, generate: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(generate)
    def noted(*args: Any, **kwargs: Any) -> Any:
        generation = _generation(model, *args, **kwargs)
        _current.set((*_current.get(), generation))
        try:
            return generate(*args, **kwargs)
        finally:
            _current.set(tuple(g for g in _current.get() if g is not generation))

    return noted


def _refused(model: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def refused(*args: Any, **kwargs: Any) -> Any:
        if acts_here(model):
            raise SettingError(
                f"{method.__name__} runs the model in its own thread, which steering does not reach; use "
                "generate, or trimtab's own replies(), which write many texts side by side"
            )
        return method(*args, **kwargs)

    return refused


def _generation(model: Any, inputs: Any = None, generation_config: Any = None, *_: Any, **kwargs: Any) -> Generation:
    embeddings, ids = kwargs.get("inputs_embeds"), kwargs.get("input_ids", inputs)
    given = [x.shape[1] for x in (embeddings if embeddings is not None else ids,) if torch.is_tensor(x)]
    mask = kwargs.get("attention_mask")
    if torch.is_tensor(mask) and mask.dim() == 2:
        given.append(mask.shape[1])
    settings = generation_config or getattr(model, "generation_config", None)
    scale, beams = (
        getattr(settings, name, None) if kwargs.get(name) is None else kwargs[name]
        for name in ("guidance_scale", "num_beams")
    )
    return Generation(
        model=model,
        prompt=max(given, default=1),  # without a prompt, generate begins with a single token
        guided=scale is not None and scale != 1,
        embedded=embeddings is not None,
        beams=beams is not None and beams > 1,
    )
