"""Where things are inside a transformers model, found by watching one forward pass, and facts about it.

Nothing here knows a model by name: the decoder layers are the module list as long as the configuration says, the
final norm is what runs after them, and both are checked against the model's own logits when it is loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError

_PROBE_TOKENS = 6


@dataclass(frozen=True)
class Facts:
    """What the configuration says of a model, for tables that compare models."""

    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    gqa_ratio: float
    """Attention heads for each key-value head."""
    parameters: int
    active_parameters: int
    """Parameters that one token passes through: fewer than all of them in a mixture of experts."""
    tied_embeddings: bool
    context: int
    """Longest sequence in tokens; 0 where the configuration does not say."""
    moe: bool


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model that trimtab reads and writes."""

    layers: tuple[nn.Module, ...]
    final_norm: Callable[[Tensor], Tensor]
    head: nn.Linear
    after_head: Callable[[Tensor], Tensor]
    """What the model does to logits behind the unembedding: soft-capping or scaling in some families."""
    decoder: nn.Module
    """The model without its unembedding."""


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


@torch.no_grad()
def dissect(model: Any) -> Anatomy:
    """Find the parts of a causal language model and check them on one small forward pass.

    Raises:
        ModelError: when the layers do not run once each in order, or when final norm and unembedding do not give the
            model's own logits.
    """
    count = getattr(model.config.get_text_config(), "num_hidden_layers", None)
    if not count:
        raise ModelError(f"{type(model).__name__}: its configuration does not say how many decoder layers it has")
    layers, head = find_layers(model, count), model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{type(model).__name__} has no unembedding; trimtab needs a causal language model")
    seen = _watch(model, layers, head)
    if seen.order != list(range(count)):
        raise ModelError(f"the decoder layers ran in the order {seen.order}, not once each from 0 to {count - 1}")
    norm = _find_norm(seen)
    after = _find_after_head(model.config.get_text_config(), head(norm(seen.last_hidden)), seen.logits)
    return Anatomy(layers, norm, head, after, model.get_decoder() or model.base_model)


@dataclass
class _Seen:
    order: list[int]
    after_layers: list[nn.Module]
    last_hidden: Tensor
    head_input: Tensor
    logits: Tensor


def _watch(model: Any, layers: tuple[nn.Module, ...], head: nn.Module) -> _Seen:
    seen = _Seen([], [], *(torch.empty(0),) * 3)

    def saw_layer(index: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            seen.order.append(index)
            seen.last_hidden = hidden_of(output)
            seen.after_layers.clear()

        return hook

    def saw_other(module: nn.Module, args: Any, output: Any) -> None:
        if torch.is_tensor(output):
            seen.after_layers.append(module)

    def saw_head(module: nn.Module, args: Any) -> None:
        seen.head_input = args[0]

    inside = {m for layer in layers for m in layer.modules()}
    others = [m for m in model.modules() if m not in inside and m is not head and not isinstance(m, nn.ModuleList)]
    handles = [layer.register_forward_hook(saw_layer(i)) for i, layer in enumerate(layers)]
    handles += [m.register_forward_hook(saw_other) for m in others]
    handles.append(head.register_forward_pre_hook(saw_head))
    try:
        ids = torch.arange(1, _PROBE_TOKENS + 1, device=model.device)[None]
        seen.logits = model(ids, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _find_norm(seen: _Seen) -> Callable[[Tensor], Tensor]:
    def chain(hidden: Tensor) -> Tensor:
        for module in seen.after_layers:
            hidden = module(hidden)
        return hidden

    if not _close(chain(seen.last_hidden), seen.head_input):
        raise ModelError("the modules behind the last layer do not turn its output into the unembedding's input")
    return chain


def _find_after_head(config: Any, logits: Tensor, wanted: Tensor) -> Callable[[Tensor], Tensor]:
    cap = getattr(config, "final_logit_softcapping", None)
    scale = getattr(config, "logit_scale", None)
    divisor = getattr(config, "logits_scaling", None)
    candidates: list[Callable[[Tensor], Tensor]] = [lambda x: x]
    if cap:
        candidates.append(lambda x: torch.tanh(x / cap) * cap)
    if scale:
        candidates.append(lambda x: x * scale)
    if divisor:
        candidates.append(lambda x: x / divisor)
    for candidate in reversed(candidates):
        if _close(candidate(logits), wanted):
            return candidate
    raise ModelError("final norm and unembedding do not reproduce the model's logits; trimtab does not know this model")


def _close(a: Tensor, b: Tensor) -> bool:
    tolerance = 1e-4 if a.dtype == torch.float32 else 5e-2
    return a.shape == b.shape and bool(torch.allclose(a.float(), b.float(), rtol=tolerance, atol=tolerance))


def facts_of(model: Any) -> Facts:
    """Architecture facts of a model; works on the meta device, without weights."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    experts = _first(config, "num_experts", "num_local_experts", "n_routed_experts")
    total = sum(p.numel() for p in model.parameters())
    return Facts(
        architecture=type(model).__name__,
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        heads=heads,
        kv_heads=kv_heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        gqa_ratio=heads / kv_heads,
        parameters=total,
        active_parameters=total - _idle_parameters(model, config, experts),
        tied_embeddings=bool(getattr(config, "tie_word_embeddings", False)),
        context=int(getattr(config, "max_position_embeddings", 0) or 0),
        moe=experts > 1,
    )


def _idle_parameters(model: Any, config: Any, experts: int) -> int:
    """Parameters of the experts that a token does not visit."""
    used = _first(config, "num_experts_per_tok", "top_k_experts", "moe_topk")
    if experts <= 1 or not used:
        return 0
    in_experts: int = sum(p.numel() for name, p in model.named_parameters() if ".experts." in name)
    return in_experts * (experts - used) // experts


def _first(config: Any, *names: str) -> int:
    return int(next((v for name in names if (v := getattr(config, name, None))), 0))


def cache_name(decoder: nn.Module) -> str:
    """What a decoder calls its argument for keys and values; transformers renamed it in 5.24."""
    return "cache" if "cache" in inspect.signature(decoder.forward).parameters else "past_key_values"
