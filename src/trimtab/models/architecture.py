"""Where things are inside a transformers model, found by watching one forward pass.

Nothing here knows a model by name: the decoder layers are the module list as long as the configuration says, the
final norm is what runs after them, and both are checked against the model's own logits when it is loaded.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.models.eager import inference
from trimtab.models.facts import LAYER_COUNTS, first_of
from trimtab.models.kinds.placement import held, input_device
from trimtab.models.overflow import is_finite, not_finite

_PROBE_TOKENS = 6
_LOGIT_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
_LOGIT_FACTORS = ("logit_scale", "lm_head_multiplier")
"""What families call the bound of their logits, and what they are multiplied with."""


@dataclass(frozen=True)
class ModelParts:
    """The parts of a model that trimtab reads and writes."""

    layers: tuple[nn.Module, ...]
    final_norm: Callable[[Tensor], Tensor]
    head: nn.Module
    head_weight: Tensor | None
    """The unembedding as numbers, [vocabulary, d_model], where it is stored if it is offloaded; None where it is packed
    or behind an adapter, and `head` alone can apply it."""
    vocabulary: int
    """How many logits there are."""
    after_head: Callable[[Tensor], Tensor]
    """What the model does to logits behind the unembedding: soft-capping or scaling in some families."""
    decoder: nn.Module
    """The model without its unembedding."""
    first_position: int = 0
    """What the model calls the position of a text's first token: PaliGemma counts from 1."""


def hidden_of(output: Any) -> Tensor:
    """The hidden states in a decoder layer's output: some layers return a tensor, some a tuple that starts with it."""
    hidden = output if torch.is_tensor(output) else output[0]
    if not torch.is_tensor(hidden):
        raise ModelError("a decoder layer returned no tensor; trimtab does not know this architecture")
    return hidden


def with_hidden(output: Any, hidden: Tensor) -> Any:
    """The same output with other hidden states."""
    return hidden if torch.is_tensor(output) else (hidden, *output[1:])


def find_layers(model: nn.Module, count: int) -> tuple[nn.Module, ...]:
    """The decoder layers, by length: the one outermost list of `count` modules.

    Raises:
        ModelError: when no list, or more than one, fits.
    """
    lists = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m) == count]
    outermost = [(n, m) for n, m in lists if not any(n != o and n.startswith(f"{o}.") for o, _ in lists)]
    if len(outermost) != 1:
        found = ", ".join(name for name, _ in outermost) or "none"
        raise ModelError(f"cannot tell which module holds the {count} decoder layers (candidates: {found})")
    return tuple(outermost[0][1])


def decoder_layers(model: Any) -> tuple[nn.Module, tuple[nn.Module, ...]]:
    """The part of a causal language model that holds its decoder layers, and these; works on the meta device.

    Raises:
        ModelError: when the configuration does not say how many there are, or no list, or more than one, fits.
    """
    count = first_of(model.config.get_text_config(), *LAYER_COUNTS)
    if not count:
        raise ModelError(f"{type(model).__name__}: its configuration does not say how many decoder layers it has")
    decoder = model.get_decoder()  # without the vision tower, which may be as deep
    if decoder is None or not holds_layers(decoder, count):  # ModernBERT calls its unembedding a decoder
        decoder = model.base_model
    return decoder, find_layers(decoder if holds_layers(decoder, count) else model, count)


def locate_modules(model: Any, present: Callable[[int], AbstractContextManager[None]] | None = None) -> ModelParts:
    """Find the parts of a causal language model and check them on one small forward pass.

    Args:
        model: of transformers.
        present: has the weights of a layer in place while its context lasts, where they are not in memory.

    Raises:
        ModelError: when the layers do not run once each in order, or when final norm and unembedding do not give the
            model's own logits.
    """
    config = model.config.get_text_config()
    decoder, layers = decoder_layers(model)
    head, count = model.get_output_embeddings(), len(layers)
    if head is None:
        raise ModelError(f"{type(model).__name__} has no unembedding; trimtab needs a causal language model")
    with inference(model):
        seen = _watch(model, layers, head, decoder)
        _require_finite(model, layers, seen, present or (lambda layer: nullcontext()))
        if seen.order != list(range(count)):
            raise ModelError(f"the decoder layers ran in the order {seen.order}, not once each from 0 to {count - 1}")
        _require_one_stream(seen.last_hidden, first_of(config, "hidden_size"))
        norm = _find_norm(seen)
        normed = norm(seen.last_hidden)
        logits = head(normed)
        after = _find_after_head(config, logits, seen.logits)
        weight = _weight_of(head, normed, logits)
    return ModelParts(layers, norm, head, weight, logits.shape[-1], after, decoder, seen.first_position)


def holds_layers(module: nn.Module, count: int) -> bool:
    """Whether any list of a module is as long as a model has decoder layers."""
    return any(isinstance(m, nn.ModuleList) and len(m) == count for m in module.modules())


def _weight_of(head: Any, normed: Tensor, logits: Tensor) -> Tensor | None:
    """The unembedding's matrix, if that is all there is to it."""
    weight: Any = getattr(head, "weight", None)
    if hasattr(head, "base_layer") or not torch.is_tensor(weight):
        return None
    weight = held(head, "weight", weight)
    if type(weight) not in (Tensor, nn.Parameter) or weight.device.type == "meta":
        return None
    if not weight.is_floating_point() or weight.element_size() < 2:
        return None
    if weight.shape != (logits.shape[-1], normed.shape[-1]):
        return None
    found = nn.functional.linear(normed.to(weight.device, weight.dtype), weight, getattr(head, "bias", None))
    plain: Tensor = weight
    return plain if _close(found, logits.to(found.device)) else None


@dataclass
class _Seen:
    order: list[int]
    after_layers: list[nn.Module]
    last_hidden: Tensor
    head_input: Tensor
    logits: Tensor
    overflow: int | None = None
    """The first layer whose states are not finite."""
    first_position: int = 0


def _watch(model: Any, layers: tuple[nn.Module, ...], head: nn.Module, decoder: nn.Module) -> _Seen:
    seen = _Seen([], [], *(torch.empty(0),) * 3)

    def saw_layer(index: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            seen.order.append(index)
            seen.last_hidden = hidden_of(output)
            seen.after_layers.clear()
            if seen.overflow is None and not is_finite(seen.last_hidden):
                seen.overflow = index

        return hook

    def saw_other(module: nn.Module, args: Any, output: Any) -> None:
        if torch.is_tensor(output):
            parts = set(module.modules())  # what it has called itself is no step of its own
            seen.after_layers[:] = [m for m in seen.after_layers if m not in parts] + [module]

    def saw_head(module: nn.Module, args: Any) -> None:
        seen.head_input = args[0]

    def saw_decoder(module: nn.Module, args: Any, kwargs: Any) -> None:
        positions = kwargs.get("position_ids")
        if torch.is_tensor(positions) and positions.dim() == 2:
            seen.first_position = int(positions[0, 0])

    others = _beside(model, layers, head)
    handles = [layer.register_forward_hook(saw_layer(i)) for i, layer in enumerate(layers)]
    handles += [m.register_forward_hook(saw_other) for m in others]
    handles.append(head.register_forward_pre_hook(saw_head))
    handles.append(decoder.register_forward_pre_hook(saw_decoder, with_kwargs=True))
    try:
        ids = torch.arange(1, _PROBE_TOKENS + 1, device=input_device(model))[None]
        seen.logits = model(ids, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _require_one_stream(hidden: Tensor, width: int) -> None:
    """Refuse layers that hand on something else than one state for each token, in words."""
    wanted = [1, _PROBE_TOKENS, width or hidden.shape[-1]]
    if list(hidden.shape) != wanted:
        raise ModelError(
            f"its decoder layers hand on states {list(hidden.shape)} for a text of {_PROBE_TOKENS} tokens, not one "
            f"residual stream {wanted}: several streams side by side, as of hyper-connections or AltUp, or another "
            "order. What a vector would be taken from and added to is not defined there"
        )


def _beside(model: nn.Module, layers: Sequence[nn.Module], head: nn.Module) -> list[nn.Module]:
    """Modules that are no layers or unembedding, stand in none, and hold none."""
    inside = {m for part in (*layers, head) for m in part.modules()}
    named = dict(model.named_modules())
    paths = [name.split(".") for name, module in named.items() if module in inside]
    around = {".".join(path[:end]) for path in paths for end in range(len(path))} | {""}
    return [m for name, m in named.items() if m not in inside and name not in around]


def _require_finite(
    model: Any, layers: Sequence[nn.Module], seen: _Seen, present: Callable[[int], AbstractContextManager[None]]
) -> None:
    """Refuse what overflows, in words, before it is taken for an architecture that is not understood."""
    if seen.overflow is None and is_finite(seen.logits):
        return
    if seen.overflow is None:
        raise ModelError(not_finite("the logits", model.dtype))
    for index, layer in enumerate(layers[: seen.overflow + 1]):
        with present(index):
            for name, weight in layer.named_parameters():
                if bool(torch.isnan(weight).any()):
                    raise ModelError(f"{name} of layer {index} holds NaN; get the model's files again")
                if not is_finite(weight):
                    raise ModelError(not_finite(f"values of {name} of layer {index}", model.dtype))
    raise ModelError(not_finite(f"the states behind layer {seen.overflow}", model.dtype))


def _find_norm(seen: _Seen) -> Callable[[Tensor], Tensor]:
    def chain(hidden: Tensor) -> Tensor:
        for module in seen.after_layers:
            hidden = module(hidden)
        return hidden

    found, wanted = chain(seen.last_hidden), seen.head_input
    if _close(found, wanted):
        return chain
    if found.shape == wanted.shape:  # some multiply what they unembed, as MiniCPM 3
        factor = float((found.float() * wanted.float()).sum() / found.float().square().sum())
        if math.isfinite(factor) and _close(found * factor, wanted):
            return lambda hidden: chain(hidden) * factor
    raise ModelError("the modules behind the last layer do not turn its output into the unembedding's input")


def _find_after_head(config: Any, logits: Tensor, wanted: Tensor) -> Callable[[Tensor], Tensor]:
    candidates: list[Callable[[Tensor], Tensor]] = [lambda x: x]
    candidates += [functools.partial(_capped, cap) for cap in _given(config, *_LOGIT_CAPS)]
    candidates += [functools.partial(torch.mul, other=scale) for scale in _given(config, *_LOGIT_FACTORS)]
    candidates += [functools.partial(torch.div, other=divisor) for divisor in _given(config, "logits_scaling")]
    for candidate in reversed(candidates):
        if _close(candidate(logits), wanted):
            return candidate
    raise ModelError("final norm and unembedding do not reproduce the model's logits; trimtab does not know this model")


def _given(config: Any, *names: str) -> list[float]:
    return [value for name in names if (value := getattr(config, name, None))]


def _capped(cap: float, logits: Tensor) -> Tensor:
    return torch.tanh(logits / cap) * cap


def _close(a: Tensor, b: Tensor) -> bool:
    tolerance = 1e-4 if a.dtype == torch.float32 else 5e-2
    a = a.to(b.device)  # layers on several devices
    return a.shape == b.shape and bool(torch.allclose(a.float(), b.float(), rtol=tolerance, atol=tolerance))


def cache_name(decoder: nn.Module) -> str:
    """What a decoder calls its argument for keys and values; transformers renamed it in 5.24."""
    return "cache" if "cache" in inspect.signature(decoder.forward).parameters else "past_key_values"
